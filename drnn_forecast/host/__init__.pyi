from .quiet import quiet_lightning as quiet_lightning
from .randomness import isolated_randomness as isolated_randomness
