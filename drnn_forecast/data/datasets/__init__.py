"""The datasets of a history: its splits, the steps past its end, and their way back."""
