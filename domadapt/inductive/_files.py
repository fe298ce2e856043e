"""A fine-tuned estimator in a file: its source stands in it, to build the network by."""

import contextlib
import copy
import os
from typing import Any, ClassVar

import torch
from torch import nn

from domadapt.estimators._building import DEEP, read_estimator
from domadapt.estimators._deep import BaseDeepEstimator
from domadapt.estimators._encoding import decode_backbone, encode, is_lacking
from domadapt.estimators._state import encode_fitted
from domadapt.inductive._starts import Start, read_start

SOURCE, FISHER = "source.", "fisher."


class SourceInFile(BaseDeepEstimator):
    """Saving and reading of an estimator whose parameter ``source`` is a fitted one."""

    _start: Any
    # The fine-tuned estimators themselves, which may be sources too.
    _fine_tuned: ClassVar[dict[str, type]] = {}
    source: Any
    source_samples: Any
    comparison_: dict[str, float]
    fisher_: dict[str, torch.Tensor]

    def __init_subclass__(cls, **settings):
        super().__init_subclass__(**settings)
        SourceInFile._fine_tuned[cls.__name__] = cls

    def _kinds(self):
        return DEEP | self._fine_tuned

    @property
    def _has_modules_of_others(self):
        return self._start.has_modules_of_others

    def _to_file(self):
        super()._to_file()
        plain = copy.copy(self)
        is_path = isinstance(self.source, (str, os.PathLike))
        plain.source = self.source if is_path or isinstance(self.source, nn.Module) else None
        # What only a fit needs: it may be large.
        plain.source_samples = None
        tensors, info = encode_fitted(plain)
        info["source"] = None
        if self._start.estimator is not None:
            of_source, info["source"] = self._start.estimator._to_file()
            tensors |= {SOURCE + name: value for name, value in of_source.items()}
        elif "backbone" in (named := encode(self._start.backbone)):
            info["source"], info["parameters"]["source"] = named, None
        for name, value in getattr(self, "fisher_", {}).items():
            tensors[FISHER + name] = value
        return tensors, info

    def _restore(self, tensors, info, *, has_own_backbone):
        parts: dict[str, dict[str, Any]] = {"": {}, SOURCE: {}, FISHER: {}}
        for name, value in tensors.items():
            prefix = next((p for p in (SOURCE, FISHER) if name.startswith(p)), "")
            parts[prefix][name.removeprefix(prefix)] = value
        self._start = self._restored_start(parts[SOURCE], info)
        if self.source is None:
            self.source = self._start.estimator or self._start.backbone
        of_others = self._start.has_modules_of_others
        super()._restore(parts[""], info, has_own_backbone=of_others)
        if parts[FISHER]:
            self.fisher_ = {n: v.to(self.module_.device) for n, v in parts[FISHER].items()}

    def _restored_start(self, tensors, info):
        saved = info["source"]
        was_given = self.source is not None and encode(self.source) != info["parameters"]["source"]
        if saved is None or was_given:
            return read_start(self.source, self._kinds())
        if "backbone" in saved:
            backbone = decode_backbone(saved, contextlib.nullcontext())
            backbone.lost_weights = backbone.pretrained
            return Start(None, backbone)
        given = {} if self.device == "auto" else {"device": self.device}
        if is_lacking(backbone := saved["parameters"].get("backbone")):
            raise ValueError(
                f"its source was fitted with backbone={backbone['lacking']}, which the file cannot "
                "hold. Pass the source, such as a fitted estimator: load(path, source=...)."
            )
        return Start(read_estimator("source", tensors, saved, given, self._kinds()), None)
