"""Ways to remember transitions: each turns a state and what came before into a state that knows of it."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from ttt_ros.policies.transition import Memory


class LstmMemory(nn.Module):
    """A recurrent state (Hochreiter and Schmidhuber, 1997), read through an MLP: constant cost."""

    def __init__(self, *, width: int, hidden: int) -> None:
        super().__init__()
        self.cell = nn.LSTMCell(width, hidden)
        self.read = nn.Sequential(nn.Linear(width + hidden, hidden), nn.GELU(), nn.Linear(hidden, width))

    def begin(self) -> Memory:
        """Zeros, for a batch of 1."""
        zeros = self.cell.weight_hh.new_zeros(1, self.cell.hidden_size)
        return {"hidden": zeros, "cell": zeros}

    def remember(self, memory: Memory, tokens: Tensor) -> Memory:
        """One step of the recurrence on tokens (batch, width)."""
        hidden, cell = self.cell(tokens, (memory["hidden"].expand(len(tokens), -1), memory["cell"].expand(len(tokens), -1)))
        return {"hidden": hidden, "cell": cell}

    def recall(self, states: Tensor, memory: Memory) -> Tensor:
        """States (batch, width) with what the MLP makes of them and the recurrent state."""
        return self._read(states, memory["hidden"].expand(len(states), -1))

    def along(self, states: Tensor, tokens: Tensor) -> Tensor:
        """``recall`` for each of a run's states (batch, n, width), the tokens (batch, n, width) of those before remembered."""
        memory = self.begin()
        hidden = [memory["hidden"].expand(len(states), -1)]
        for step in range(tokens.shape[1] - 1):
            memory = self.remember(memory, tokens[:, step])
            hidden.append(memory["hidden"])
        return self._read(states, torch.stack(hidden, dim=1))

    def _read(self, states: Tensor, hidden: Tensor) -> Tensor:
        read: Tensor = self.read(torch.cat([states, hidden], dim=-1))
        return states + read


class AttentionMemory(nn.Module):
    """A causal transformer over the tokens of all transitions, each layer's tokens cached: its cost grows with the run.

    A state is a query at the end of the sequence that no token attends to.
    """

    def __init__(self, *, width: int, hidden: int, heads: int, layers: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(AttentionLayer(width=width, hidden=hidden, heads=heads) for _ in range(layers))
        self.width = width

    def begin(self) -> Memory:
        """No token in any layer, for a batch of 1."""
        empty = next(self.parameters()).new_zeros(1, 0, self.width)
        return {f"layer.{index}": empty for index in range(len(self.layers))}

    def remember(self, memory: Memory, tokens: Tensor) -> Memory:
        """Passes the new tokens (batch, width) through the layers, each attending to those before, and keeps them."""
        new, kept = tokens[:, None], {}
        for name, layer in zip(self.begin(), self.layers, strict=True):
            kept[name] = torch.cat([memory[name].expand(len(tokens), -1, -1), new], dim=1)
            new = layer(new, kept[name], _ages(kept[name]))
        return kept

    def recall(self, states: Tensor, memory: Memory) -> Tensor:
        """States (batch, width) with what they find among the tokens."""
        query = states[:, None]
        for name, layer in zip(self.begin(), self.layers, strict=True):
            query = layer(query, memory[name].expand(len(states), -1, -1), _ages(memory[name]))
        return query[:, 0]

    def along(self, states: Tensor, tokens: Tensor) -> Tensor:
        """``recall`` for each of a run's states (batch, n, width), the tokens (batch, n, width) of those before remembered."""
        ages = _ages_along(tokens)
        for layer in self.layers:
            # A token sees itself as one step old, as a state sees the token just before it.
            states, tokens = layer(states, tokens, ages), layer(tokens, tokens, ages + 1)
        return states


class WindowMemory(nn.Module):
    """Attention over the last transitions alone: constant cost.

    It keeps them as ``records`` rather than tokens, so that the caller can make the tokens anew with the fast weights of the moment.
    """

    def __init__(self, *, width: int, hidden: int, heads: int, layers: int, records: int, limit: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(AttentionLayer(width=width, hidden=hidden, heads=heads) for _ in range(layers))
        self.records = records
        self.limit = limit

    def begin(self) -> Memory:
        """No record, for a batch of 1."""
        return {"records": next(self.parameters()).new_zeros(1, 0, self.records)}

    def remember(self, memory: Memory, records: Tensor) -> Memory:
        """Appends records (batch, records) and drops the oldest beyond the limit."""
        kept = memory["records"].expand(len(records), -1, -1)
        return {"records": torch.cat([kept, records[:, None]], dim=1)[:, -self.limit :]}

    def recall(self, states: Tensor, tokens: Tensor) -> Tensor:
        """States (batch, width) with what they find among tokens (batch, n, width), made of the records."""
        query = states[:, None]
        for layer in self.layers:
            query = layer(query, tokens, _ages(tokens))
        return query[:, 0]

    def along(self, states: Tensor, tokens: Tensor) -> Tensor:
        """``recall`` for each of a run's states (batch, n, width), the tokens (batch, n, width) of the last ones before remembered."""
        ages = _ages_along(tokens)
        visible = ages.where(ages <= self.limit, 0)
        for layer in self.layers:
            states = layer(states, tokens, visible)
        return states


class AttentionLayer(nn.Module):
    """Pre-norm attention and an MLP, with a learned empty token to look at while there is no other.

    Age enters as a bias on the scores that is linear in the logarithm of the distance, one learned slope for each head, so that a run may
    be longer than any in training (after ALiBi, arXiv 2108.12409).
    """

    def __init__(self, *, width: int, hidden: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.empty = nn.Parameter(0.02 * torch.randn(1, 1, width))
        self.slopes = nn.Parameter(torch.linspace(0.0, 1.0, heads))
        self.query_norm, self.token_norm = nn.LayerNorm(width), nn.LayerNorm(width)
        self.query = nn.Linear(width, width)
        self.key_value = nn.Linear(width, 2 * width)
        self.output = nn.Linear(width, width)
        self.mlp = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, 2 * hidden), nn.GELU(), nn.Linear(2 * hidden, width))

    def forward(self, queries: Tensor, tokens: Tensor, ages: Tensor) -> Tensor:
        """Queries (batch, m, width) with what they attend to among tokens (batch, n, width) of the given ``ages``.

        ``ages`` are of shape (m, n), 1 for the newest token that a query sees; one of 0 or less is not seen.
        """
        attended = torch.cat([self.empty.expand(len(tokens), -1, -1), tokens], dim=1)
        query = self.query(self.query_norm(queries)).unflatten(-1, (self.heads, -1)).transpose(1, 2)
        key, value = self.key_value(self.token_norm(attended)).unflatten(-1, (2, self.heads, -1)).permute(2, 0, 3, 1, 4)
        bias = -self.slopes[:, None, None] * ages.clamp(min=1).log()
        bias = functional.pad(bias.masked_fill(ages < 1, -torch.inf), (1, 0))
        mixed = functional.scaled_dot_product_attention(query, key, value, attn_mask=bias)
        queries = queries + self.output(mixed.transpose(1, 2).flatten(2))
        computed: Tensor = self.mlp(queries)
        return queries + computed


def _ages(tokens: Tensor) -> Tensor:
    """Ages of all tokens (batch, n, width) for a query that comes after them, (1, n)."""
    return torch.arange(tokens.shape[1], 0, -1, device=tokens.device)[None]


def _ages_along(tokens: Tensor) -> Tensor:
    """Ages of a run's tokens (batch, n, width) for a query just before each of them, (n, n)."""
    places = torch.arange(tokens.shape[1], device=tokens.device)
    return places[:, None] - places
