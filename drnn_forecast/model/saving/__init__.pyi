from .folder import from_pretrained as from_pretrained, save_pretrained as save_pretrained
