"""Modules that torch.compile has wrapped: known, unwrapped, and copied with plain names."""

import copy

from torch import nn

from domadapt._storage.fingerprints import WRAPPED_BY_COMPILE


def uncompiled(module):
    """Return the module that torch.compile has wrapped, or the module itself.

    Parameters
    ----------
    module : nn.Module or object
        Any module; anything else comes back.

    Returns
    -------
    module : nn.Module or object
        Not copied.

    Examples
    --------
    >>> import torch
    >>> from torch import nn
    >>> from domadapt.nn.compiled import uncompiled
    >>> uncompiled(torch.compile(nn.Linear(2, 3)))
    Linear(in_features=2, out_features=3, bias=True)
    """
    if not isinstance(module, nn.Module):
        return module
    return module._modules.get(WRAPPED_BY_COMPILE, module)


def copy_module(module):
    """Return a copy of a module; of a compiled one, a copy that is compiled in place.

    Its parameters have the names of the plain module, so that weights that were learnt compiled
    can be read without. Copies of the copy are not compiled.

    Parameters
    ----------
    module : nn.Module
        Any module.

    Returns
    -------
    module : nn.Module
        The copy.

    Examples
    --------
    >>> import torch
    >>> from torch import nn
    >>> from domadapt.nn.compiled import copy_module
    >>> list(copy_module(torch.compile(nn.Linear(2, 3))).state_dict())
    ['weight', 'bias']
    """
    plain = uncompiled(module)
    copied = copy.deepcopy(plain)
    if plain is not module:
        # What nn.Module.compile does, with the settings that torch.compile was given.
        copied._compiled_call_impl = module.dynamo_ctx(copied._call_impl)
    return copied
