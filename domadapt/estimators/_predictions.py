"""What a fitted deep estimator can be asked: features, and what is computed from them."""

from typing import Any

import numpy as np
from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from domadapt.domains.samples import Samples, read_numbers
from domadapt.domains.splitting import check_samples
from domadapt.estimators._parameters import TrainingParameters
from domadapt.estimators._state import (
    decode_predicted,
    encode_fitted,
    encode_predicted,
    fingerprint_of_fit,
    restore_fitted,
)
from domadapt.inputs.frozen import FrozenBackbone, frozen_features
from domadapt.inputs.reader import NUMPY_DTYPES, PRECISIONS, Reader
from domadapt.nn.layers import as_first_domain, extract_features
from domadapt.nn.networks import (
    FeatureClassifier,
    build_network,
    check_layer_sizes,
    training_dtype,
)


class DeepPredictions(ClassNamePrefixFeaturesOutMixin, TransformerMixin, TrainingParameters):
    """Predictions by the network of a fitted estimator, which takes samples for target."""

    module_: FeatureClassifier
    _sample_shape: tuple[int, ...]

    def transform(self, X: Any, sample_domain: Any = None) -> np.ndarray:
        """Compute the features on which the domains are aligned, treating samples as target.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features), image stack or paths
            Samples of the kind of those of ``fit``.
        sample_domain : array-like of shape (n_samples,), default=None
            Positive for samples of the source, which are then normalised by the statistics
            of the source. By default all samples are taken for target.

        Returns
        -------
        features : ndarray of shape (n_samples, n_features_out), float32
            Output of the feature extractor.
        """
        return self._by_domain(lambda features: features, self._samples(X), sample_domain)

    @property
    def _has_modules_of_others(self):
        """Whether the network holds layers that are not domadapt's own."""
        return getattr(self, "backbone", None) is not None

    def _samples(self, X):
        check_is_fitted(self)
        return check_samples(self, X, self._sample_shape)

    def _outputs(self, samples, sample_domain=None, *, are_features=False):
        """Return the outputs of the network; samples of positive domains count as source."""
        classifier = self.module_.classifier
        return self._by_domain(classifier, samples, sample_domain, are_features=are_features)

    def _by_domain(self, function, samples, sample_domain, *, are_features=False):
        """Apply a function to the features of samples, as the domain of each asks."""
        if sample_domain is None:
            return self._apply(function, samples, are_features=are_features)
        is_source = read_numbers(sample_domain, len(samples)) > 0
        outputs = None
        for rows, as_source in ((is_source, True), (~is_source, False)):
            if rows.any():
                part = self._apply(
                    function, samples.subset(np.flatnonzero(rows)), as_source=as_source
                )
                if outputs is None:
                    outputs = np.empty((len(samples), *part.shape[1:]), part.dtype)
                outputs[rows] = part
        return outputs

    def _apply(self, function, samples, *, are_features=False, as_source=False):
        """Apply a function to the features of samples, or to what a frozen backbone returned."""
        module = self.module_.eval()
        reader = Reader(self.image_loader, module.device, module.dtype, PRECISIONS[self.precision])
        extractor, frozen = self._trained_part()
        if frozen is not None and not are_features:
            samples = Samples(frozen_features(samples, frozen, self.feature_cache, reader))
        if as_source:
            extractor = as_first_domain(extractor)
        return reader.apply(
            lambda batch: function(extract_features(extractor, batch, reader.precision)), samples
        )

    def _trained_part(self):
        """Return the feature extractor without a frozen backbone, and this or None."""
        extractor = self.module_.feature_extractor
        frozen = getattr(extractor, "backbone", None)
        if not isinstance(frozen, FrozenBackbone):
            return extractor, None
        return extractor.layers, frozen

    def _trained_backbone(self, network):
        """Return the part of a fitted network that is a copy of the backbone, or None."""
        backbone = getattr(network.feature_extractor, "backbone", None)
        if backbone is None and self.backbone is not None and not self.freeze:
            return network.feature_extractor
        return backbone

    def _make_network(self, sample, n_outputs, backbone, batch_norm):
        """Return a network for samples like the given ones, and its copy of the backbone."""
        return build_network(
            sample,
            n_outputs,
            backbone=backbone,
            hidden_layer_sizes=check_layer_sizes(self.hidden_layer_sizes),
            batch_norm=batch_norm is not None,
            dropout=self.dropout,
        )

    def _to_file(self):
        check_is_fitted(self)
        return encode_fitted(self)

    def _restore(self, tensors, info, *, has_own_backbone):
        """Take what :meth:`_to_file` returned."""
        restore_fitted(self, tensors, info, has_own_backbone=has_own_backbone)

    def _fingerprint(self, domains, batch_norm):
        return fingerprint_of_fit(self, domains, batch_norm)

    def _encode_predicted(self):
        return encode_predicted(self)

    def _decode_predicted(self, encoded):
        return decode_predicted(encoded)

    @property
    def _n_features_out(self):
        return self.module_.classifier[0].in_features

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.input_tags.three_d_array = True
        dtype = NUMPY_DTYPES[training_dtype(self.backbone)]
        tags.transformer_tags.preserves_dtype = [dtype.__name__]
        return tags
