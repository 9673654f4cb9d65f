from .command import obey as obey
from .comparison_text import results_text as results_text, settings_text as settings_text
from .demo import demonstrate as demonstrate, score_text as score_text
from .entry import main as main
