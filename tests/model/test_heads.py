import hypothesis.strategies as st
import pytest
import torch
from hypothesis import given
from pytorch_forecasting.metrics import (
    MAE,
    CrossEntropy,
    ImplicitQuantileNetworkDistributionLoss,
    NormalDistributionLoss,
    PoissonLoss,
    QuantileLoss,
)

from drnn_forecast.model.heads.anchors import SeasonalAnchor, seasonal_values
from drnn_forecast.model.heads.linear import LinearHistory
from drnn_forecast.model.heads.perceptron import MultiHorizonHead
from drnn_forecast.model.heads.targets import TargetHead


def probe(batch, time):
    """Return a history in which every value tells its row and step: 100 * row + step."""
    return 100.0 * torch.arange(batch)[:, None] + torch.arange(time)


@given(season=st.integers(1, 30), length=st.integers(0, 30), steps=st.integers(1, 40))
def test_a_step_reads_the_value_that_many_whole_seasons_before_it(season, length, steps):
    history = probe(2, 30)
    values, valid = seasonal_values(history, torch.tensor([length, 30]), [season], steps)

    assert valid.flatten().tolist() == [length >= season, True]
    repeated = [history[1, 30 - season + k % season].item() for k in range(steps)]
    assert values[1, :, 0].tolist() == repeated
    if length >= season:
        repeated = [history[0, length - season + k % season].item() for k in range(steps)]
        assert values[0, :, 0].tolist() == repeated
    else:
        assert not values[0].any()


def test_one_season_needs_no_weights_and_is_the_seasonal_naive_forecast():
    anchor = SeasonalAnchor(3)

    assert anchor.num_weights == 0
    mixed = anchor(probe(1, 6), torch.tensor([6]), torch.empty(1, 5, 0))
    assert mixed.tolist() == [[3, 4, 5, 3, 4]]


def test_several_seasons_are_mixed_with_weights_of_each_step():
    anchor = SeasonalAnchor((2, 3))
    logits = torch.tensor([[[50.0, 0.0], [0.0, 50.0], [0.0, 0.0]]])

    mixed = anchor(probe(1, 6), torch.tensor([6]), logits)
    torch.testing.assert_close(mixed, torch.tensor([[4.0, 4.0, (4.0 + 5.0) / 2]]))


def test_a_season_longer_than_the_history_gets_no_weight():
    anchor = SeasonalAnchor((2, 5))
    logits = torch.tensor([[[0.0, 50.0]] * 2])

    assert anchor(probe(1, 6), torch.tensor([4]), logits).tolist() == [[2, 3]]


def test_a_window_shorter_than_every_season_is_anchored_on_its_last_value():
    anchor = SeasonalAnchor((4, 5))

    assert anchor(probe(1, 6), torch.tensor([3]), torch.zeros(1, 2, 2)).tolist() == [[2, 2]]
    assert SeasonalAnchor(4)(probe(1, 6), torch.tensor([3]), torch.zeros(1, 2, 0)).tolist() == [
        [2, 2]
    ]


@pytest.mark.parametrize("time", [0, 6])
@pytest.mark.parametrize("seasons", [4, (4, 5)])
def test_a_window_without_history_is_anchored_on_the_centre(seasons, time):
    anchor = SeasonalAnchor(seasons)
    logits = torch.zeros(2, 3, anchor.num_weights)

    assert not anchor(probe(2, time), torch.tensor([0, 0]), logits).any()


def test_a_window_that_no_season_fits_sends_no_broken_gradient():
    anchor = SeasonalAnchor((4, 5))
    logits = torch.zeros(2, 3, 2, requires_grad=True)

    anchor(probe(2, 6), torch.tensor([2, 6]), logits).sum().backward()
    assert torch.isfinite(logits.grad).all()
    assert not logits.grad[0].any()
    assert logits.grad[1].any()


def test_the_level_is_the_mean_of_the_valid_history_and_one_of_the_anchors():
    anchor = SeasonalAnchor(2, level=True)
    history, lengths = probe(2, 6), torch.tensor([6, 3])
    logits = torch.tensor([[0.0, 50.0], [50.0, 0.0], [0.0, 0.0]]).expand(2, -1, -1)

    assert anchor.num_weights == 2
    expected = [[2.5, 5.0, (4 + 2.5) / 2], [101.0, 102.0, (101 + 101) / 2]]
    torch.testing.assert_close(anchor(history, lengths, logits), torch.tensor(expected))


def test_the_level_alone_needs_no_weights():
    anchor = SeasonalAnchor(None, level=True)
    logits = torch.empty(3, 2, 0)

    assert anchor.num_weights == 0
    mixed = anchor(probe(3, 6), torch.tensor([6, 3, 0]), logits)
    assert mixed.tolist() == [[2.5, 2.5], [101, 101], [0, 0]]


def test_a_window_shorter_than_every_season_is_anchored_on_its_level_where_that_is_asked_for():
    anchor = SeasonalAnchor((4, 5), level=True)

    mixed = anchor(probe(1, 6), torch.tensor([3]), torch.zeros(1, 2, 3))
    assert mixed.tolist() == [[1, 1]]


def target_head(loss, output_size, season_length=3):
    return TargetHead(loss, output_size=output_size, season_length=season_length)


def test_all_quantiles_shift_together():
    head = target_head(QuantileLoss([0.1, 0.5, 0.9]), 3)
    raw = torch.tensor([[[-1.0, 0.0, 1.0]] * 2])

    output = head(raw, probe(1, 6), torch.tensor([6]))
    assert output.tolist() == [[[2, 3, 4], [3, 4, 5]]]


def test_only_the_location_of_a_distribution_shifts():
    head = target_head(NormalDistributionLoss(), 2)
    raw = torch.tensor([[[0.5, 7.0]] * 2])

    assert head(raw, probe(1, 6), torch.tensor([6])).tolist() == [[[3.5, 7], [4.5, 7]]]


def test_a_point_forecast_shifts():
    head = target_head(MAE(), 1)

    assert head(torch.zeros(1, 2, 1), probe(1, 6), torch.tensor([6])).tolist() == [[[3], [4]]]


@pytest.mark.parametrize("quantiles", [[0.1, 0.5, 0.9], [0.9, 0.1, 0.5]])
def test_a_higher_quantile_is_never_below_a_lower_one(quantiles):
    torch.manual_seed(0)
    head = target_head(QuantileLoss(quantiles), 3, season_length=None)
    output = head(torch.randn(20, 4, 3), None, torch.tensor([6] * 20))

    in_order = output[..., torch.tensor(quantiles).argsort()]
    assert (in_order.diff(dim=-1) >= 0).all()


@pytest.mark.parametrize(
    "loss", [PoissonLoss(), CrossEntropy(), ImplicitQuantileNetworkDistributionLoss()]
)
@pytest.mark.parametrize(
    "options", [{"season_length": 3}, {"level_anchor": True}, {"linear_length": 3}]
)
def test_a_loss_without_a_location_cannot_be_shifted(loss, options):
    with pytest.raises(ValueError, match="`linear_length` need a loss with a location"):
        TargetHead(loss, output_size=1, **options)


@pytest.mark.parametrize(
    ("season", "error", "message"),
    [
        (0, ValueError, "`season_length` must be at least 1, got 0"),
        ((24, -1), ValueError, "`season_length` must be at least 1, got -1"),
        ((), ValueError, "`season_length` must be None, an integer or a list of different"),
        ((24, 24), ValueError, "a list of different integers, got"),
        (24.0, TypeError, "`season_length` must be an integer"),
        ("24", TypeError, "`season_length` must be an integer"),
    ],
)
def test_an_impossible_season_is_refused(season, error, message):
    with pytest.raises(error, match=message):
        SeasonalAnchor(season)


def linear_history(length=3, horizon=4):
    """Return a map whose weights are drawn."""
    torch.manual_seed(0)
    linear = LinearHistory(length, horizon)
    torch.nn.init.normal_(linear.weight)
    return linear


def test_a_linear_map_starts_at_zero():
    assert not LinearHistory(3, 4)(probe(2, 6), torch.tensor([6, 3]), 4).any()


@given(lengths=st.tuples(st.integers(1, 6), st.integers(1, 6)), steps=st.integers(1, 4))
def test_a_linear_map_reads_the_last_values_less_their_mean(lengths, steps):
    linear, history = linear_history(), torch.randn(2, 6)
    mapped = linear(history, torch.tensor(lengths), steps)

    for row, length in enumerate(lengths):
        last = history[row, max(0, length - 3) : length]
        weight = linear.weight[:steps, 3 - len(last) :]
        torch.testing.assert_close(mapped[row], weight @ (last - last.mean()))


def test_a_linear_map_does_not_see_the_level_and_grows_with_the_scale():
    linear, history, lengths = linear_history(), torch.randn(2, 6), torch.tensor([6, 2])
    mapped = linear(history, lengths, 4)

    torch.testing.assert_close(linear(10 * history + 5, lengths, 4), 10 * mapped)


@pytest.mark.parametrize("time", [0, 6])
def test_a_linear_map_of_no_history_is_zero(time):
    assert not linear_history()(probe(2, time), torch.tensor([0, 0]), 4).any()


@pytest.mark.parametrize(("length", "horizon"), [(0, 4), (3, 0)])
def test_an_impossible_linear_map_is_refused(length, horizon):
    with pytest.raises(ValueError, match="must be at least 1, got 0"):
        LinearHistory(length, horizon)


@pytest.mark.parametrize("season_length", [None, 3, (2, 3)])
def test_a_gate_lets_the_linear_map_into_each_step(season_length):
    def head(linear_length):
        return TargetHead(
            MAE(),
            output_size=1,
            season_length=season_length,
            linear_length=linear_length,
            horizon=4,
        )

    gated, plain = head(3), head(0)
    gated.linear = linear_history()
    history, lengths = torch.randn(1, 6), torch.tensor([6])
    gates = torch.tensor([-100.0, 100.0, 0.0, 0.0]).view(1, 4, 1)
    raw = torch.randn(1, 4, plain.input_size)

    assert gated.input_size == plain.input_size + 1
    added = gated(torch.cat([raw, gates], -1), history, lengths) - plain(raw, history, lengths)
    mapped = gated.linear(history, lengths, 4)
    expected = mapped * torch.tensor([0.0, 1.0, 0.5, 0.5])
    torch.testing.assert_close(added.squeeze(-1), expected)


def make_head(covariate_size=2):
    torch.manual_seed(0)
    return MultiHorizonHead(
        state_size=4, covariate_size=covariate_size, horizon=6, output_size=3, hidden_size=8
    )


def test_each_step_reads_its_own_covariates_only():
    covariates = torch.randn(1, 6, 2, requires_grad=True)
    output = make_head()(torch.randn(1, 4), covariates)

    (gradient,) = torch.autograd.grad(output[0, 2].sum(), covariates)
    assert gradient[0].abs().sum(-1).nonzero().flatten().tolist() == [2]


def test_steps_differ_even_without_covariates():
    output = make_head(covariate_size=0)(torch.randn(1, 4), torch.empty(1, 6, 0))

    assert len(output[0].unique(dim=0)) == 6


def test_a_shorter_horizon_gives_the_first_steps():
    head, state, covariates = make_head(), torch.randn(3, 4), torch.randn(3, 6, 2)

    torch.testing.assert_close(head(state, covariates[:, :4]), head(state, covariates)[:, :4])


def test_a_longer_horizon_than_learned_is_refused():
    with pytest.raises(ValueError, match=r"`max_prediction_length=6` time steps long.*got 7"):
        make_head()(torch.randn(1, 4), torch.randn(1, 7, 2))
