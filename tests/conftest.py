import hypothesis
import torch

# A first call of a torch kernel is slow enough to upset deadlines; timings assert nothing here.
hypothesis.settings.register_profile("project", deadline=None, max_examples=40, derandomize=True)
hypothesis.settings.load_profile("project")
torch.set_num_threads(1)
