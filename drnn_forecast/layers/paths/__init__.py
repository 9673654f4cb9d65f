"""How far back a recurrent architecture reaches, over how many steps, at what cost. No torch."""
