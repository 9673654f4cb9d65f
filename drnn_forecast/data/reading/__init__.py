"""Tables on disk, as people write them."""
