"""Everything about a host's network that a run could leave changed, to be compared afterwards."""

from __future__ import annotations


def state(module):
    """By submodule: its class, its attributes as they are, and its tensors' places and values."""
    return {name: (type(each), _attributes(each), _tensors(each)) for name, each in _all(module)}


def same(before, after):
    """Whether two states are equal to the bit; raises AssertionError naming the submodule."""
    assert before.keys() == after.keys()
    for name, (kind, attributes, tensors) in before.items():
        now_kind, now_attributes, now_tensors = after[name]
        assert now_kind is kind, f"{name} has another class"
        assert now_attributes.keys() == attributes.keys(), f"{name} has other attributes"
        for key, value in attributes.items():
            assert now_attributes[key] == value, f"{name}.{key} differs"
        assert now_tensors.keys() == tensors.keys()
        for key, (tensor, place, values) in tensors.items():
            now_tensor, now_place, now_values = now_tensors[key]
            assert now_tensor is tensor, f"{name}.{key} is another tensor"
            assert now_place == place, f"{name}.{key} lies elsewhere"
            assert now_values.equal(values), f"{name}.{key} has other values"
    return True


def _all(module):
    return list(module.named_modules())


def _attributes(module):
    """Attributes by identity, and the contents of tables such as hooks."""
    return {
        key: (
            id(value),
            [(k, id(v)) for k, v in value.items()] if isinstance(value, dict) else None,
        )
        for key, value in vars(module).items()
    }


def _tensors(module):
    own = {**module._parameters, **module._buffers}
    return {
        key: (tensor, (tensor.device, tensor.data_ptr()), tensor.detach().clone())
        for key, tensor in own.items()
        if tensor is not None
    }
