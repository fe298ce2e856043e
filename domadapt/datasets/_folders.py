"""Loaders of domains in folders: photographs as paths, or features as arrays."""

import warnings
from pathlib import Path

import numpy as np
from sklearn.utils import Bunch

from domadapt._storage.arrays import check_samples_and_labels, read_arrays
from domadapt._storage.text import check_name

IMAGE_ENDINGS = frozenset({".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"})


def load_image_folder(root):
    """List the photographs of a folder of domains.

    The folder holds one folder for each domain, and each of these, directly or further
    down, one folder of images for each class: ``amazon/back_pack/*.jpg`` as well as
    ``amazon/images/back_pack/*.jpg``. No image is read.

    Parameters
    ----------
    root : str or path
        The folder of domains.

    Returns
    -------
    data : :class:`~sklearn.utils.Bunch`
        Dictionary-like object with

        paths : ndarray of shape (n_images,), str
            Path of each image, sorted by domain and class.
        y : ndarray of shape (n_images,), int64
            Class of each image, an index into ``class_names``.
        domain : ndarray of shape (n_images,), str
            Domain of each image.
        class_names : list of str
            Names of the class folders of all domains, sorted.
        domain_names : list of str
            Names of the domain folders, sorted.

    Raises
    ------
    FileNotFoundError
        If the folder does not exist.
    ValueError
        If it holds fewer than two domains, a class folder without images, an image that
        is in no class folder, or one whose path is not UTF-8.

    Warns
    -----
    UserWarning
        If the domains do not have the same classes.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from domadapt.datasets import load_image_folder
    >>> with tempfile.TemporaryDirectory() as root:
    ...     for folder in ("clean/cat", "clean/dog", "foggy/cat", "foggy/dog"):
    ...         Path(root, folder).mkdir(parents=True)
    ...         Path(root, folder, "1.jpg").touch()
    ...     data = load_image_folder(root)
    >>> data.domain_names, data.class_names, data.y
    (['clean', 'foggy'], ['cat', 'dog'], array([0, 1, 0, 1]))
    """
    root = _check_folder(root)
    domains = [path for path in sorted(root.iterdir()) if path.is_dir() and _is_visible(path)]
    if len(domains) < 2:
        found = ", ".join(path.name for path in domains) or "none"
        raise ValueError(
            f"root={str(root)!r} holds {len(domains)} folders ({found}). At least two domains "
            "were expected, each a folder with one folder of images for each class."
        )
    images = [(domain.name, path) for domain in domains for path in _images(domain)]
    for _, path in images:
        check_name(path, "The path")
    class_names = sorted({path.parent.name for _, path in images})
    label_of = {name: label for label, name in enumerate(class_names)}
    classes: dict[str, set[str]] = {path.name: set() for path in domains}
    for domain, path in images:
        classes[domain].add(path.parent.name)
    _compare_classes(classes)
    return Bunch(
        paths=np.array([str(path) for _, path in images]),
        y=np.array([label_of[path.parent.name] for _, path in images], dtype=np.int64),
        domain=np.array([domain for domain, _ in images]),
        class_names=class_names,
        domain_names=list(classes),
    )


def _check_folder(root):
    """Return the folder as a path, if it exists."""
    root = Path(root)
    if not root.is_dir():
        raise FileNotFoundError(f"root={str(root)!r} is not a folder. Nothing is downloaded.")
    return root


def _is_visible(path):
    return not path.name.startswith(".")


def _images(domain):
    """List the images of one domain, and check that each is in a class folder."""
    images = []
    for folder in sorted(path for path in domain.rglob("*") if path.is_dir() and _is_visible(path)):
        inside = [path for path in sorted(folder.iterdir()) if _is_visible(path)]
        found = [path for path in inside if path.suffix.lower() in IMAGE_ENDINGS]
        if not found and not any(path.is_dir() for path in inside):
            raise ValueError(
                f"The class folder {str(folder)!r} holds no image. Endings that count: "
                f"{', '.join(sorted(IMAGE_ENDINGS))}."
            )
        images += found
    loose = [path for path in domain.iterdir() if path.suffix.lower() in IMAGE_ENDINGS]
    if loose or not images:
        fault = f"{loose[0].name!r} in no class folder" if loose else "no class folder with images"
        raise ValueError(
            f"The domain folder {str(domain)!r} has {fault}. Expected "
            f"{domain.name}/<class>/*.jpg or {domain.name}/images/<class>/*.jpg."
        )
    return images


def _compare_classes(classes):
    """Warn if the domains, each with its set of classes, do not have the same classes."""
    all_classes = set().union(*classes.values())
    missing = [
        f"{name} lacks {', '.join(map(str, sorted(all_classes - own)))}"
        for name, own in classes.items()
        if own != all_classes
    ]
    if missing:
        warnings.warn(
            f"The domains do not have the same classes: {'; '.join(missing)}.", stacklevel=3
        )


def _load_checked(root, *, name, domains, n_classes):
    """Load a data set and check its classes and domains, each with the names of its folder."""
    root = _check_folder(root)
    folders = {path.name.lower(): path.name for path in root.iterdir() if path.is_dir()}
    missing = [domain for domain, names in domains.items() if not set(names) & set(folders)]
    if missing:
        raise ValueError(
            f"root={str(root)!r} does not hold {name}: the folders {', '.join(missing)} are "
            f"missing. Found: {', '.join(sorted(folders.values())) or 'no folder'}."
        )
    data = load_image_folder(root)
    if len(data.class_names) != n_classes:
        raise ValueError(
            f"root={str(root)!r} holds {len(data.class_names)} classes, but {name} has "
            f"{n_classes}. Found: {', '.join(data.class_names)}."
        )
    return data


def load_office31(root):
    """List the photographs of Office-31: amazon, dslr and webcam, 31 classes.

    Parameters
    ----------
    root : str or path
        The folder that holds ``amazon``, ``dslr`` and ``webcam``.

    Returns
    -------
    data : :class:`~sklearn.utils.Bunch`
        As :func:`load_image_folder`.

    Raises
    ------
    FileNotFoundError
        If the folder does not exist.
    ValueError
        If a domain is missing, there are not 31 classes, or as :func:`load_image_folder`.

    References
    ----------
    Saenko, Kulis, Fritz, Darrell (2010). "Adapting visual category models to new domains".
    ECCV.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from domadapt.datasets import load_office31
    >>> with tempfile.TemporaryDirectory() as root:
    ...     for domain in ('amazon', 'dslr', 'webcam'):
    ...         for k in range(31):
    ...             Path(root, domain, f"class{k}").mkdir(parents=True)
    ...             Path(root, domain, f"class{k}", "1.jpg").touch()
    ...     data = load_office31(root)
    >>> data.domain_names, len(data.class_names)
    (['amazon', 'dslr', 'webcam'], 31)
    """
    domains = {"amazon": ["amazon"], "dslr": ["dslr"], "webcam": ["webcam"]}
    return _load_checked(root, name="Office-31", domains=domains, n_classes=31)


def load_office_caltech10(root):
    """List the photographs of Office-Caltech10: four domains, 10 classes.

    Parameters
    ----------
    root : str or path
        The folder that holds ``amazon``, ``caltech10`` (or ``caltech``), ``dslr`` and
        ``webcam``.

    Returns
    -------
    data : :class:`~sklearn.utils.Bunch`
        As :func:`load_image_folder`.

    Raises
    ------
    FileNotFoundError
        If the folder does not exist.
    ValueError
        If a domain is missing, there are not 10 classes, or as :func:`load_image_folder`.

    References
    ----------
    Gong, Shi, Sha, Grauman (2012). "Geodesic flow kernel for unsupervised domain
    adaptation". CVPR.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from domadapt.datasets import load_office_caltech10
    >>> with tempfile.TemporaryDirectory() as root:
    ...     for domain in ('amazon', 'caltech10', 'dslr', 'webcam'):
    ...         for k in range(10):
    ...             Path(root, domain, f"class{k}").mkdir(parents=True)
    ...             Path(root, domain, f"class{k}", "1.jpg").touch()
    ...     data = load_office_caltech10(root)
    >>> data.domain_names, len(data.class_names)
    (['amazon', 'caltech10', 'dslr', 'webcam'], 10)
    """
    domains = {"amazon": ["amazon"], "caltech10": ["caltech10", "caltech"]}
    domains |= {"dslr": ["dslr"], "webcam": ["webcam"]}
    return _load_checked(root, name="Office-Caltech10", domains=domains, n_classes=10)


def load_office_home(root):
    """List the photographs of Office-Home: four domains, 65 classes.

    Parameters
    ----------
    root : str or path
        The folder that holds ``Art``, ``Clipart``, ``Product`` and ``Real World`` (or
        ``RealWorld`` or ``Real_World``).

    Returns
    -------
    data : :class:`~sklearn.utils.Bunch`
        As :func:`load_image_folder`.

    Raises
    ------
    FileNotFoundError
        If the folder does not exist.
    ValueError
        If a domain is missing, there are not 65 classes, or as :func:`load_image_folder`.

    References
    ----------
    Venkateswara, Eusebio, Chakraborty, Panchanathan (2017). "Deep hashing network for
    unsupervised domain adaptation". CVPR.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from domadapt.datasets import load_office_home
    >>> with tempfile.TemporaryDirectory() as root:
    ...     for domain in ('Art', 'Clipart', 'Product', 'Real World'):
    ...         for k in range(65):
    ...             Path(root, domain, f"class{k}").mkdir(parents=True)
    ...             Path(root, domain, f"class{k}", "1.jpg").touch()
    ...     data = load_office_home(root)
    >>> data.domain_names, len(data.class_names)
    (['Art', 'Clipart', 'Product', 'Real World'], 65)
    """
    domains = {"Art": ["art"], "Clipart": ["clipart"], "Product": ["product"]}
    domains["Real World"] = ["real world", "realworld", "real_world"]
    return _load_checked(root, name="Office-Home", domains=domains, n_classes=65)


def load_features(root):
    """Load a folder of domains as arrays: one ``<domain>.npz`` with X and y for each.

    Parameters
    ----------
    root : str or path
        The folder of npz files.

    Returns
    -------
    data : :class:`~sklearn.utils.Bunch`
        Dictionary-like object with

        X : ndarray of shape (n_samples, ...)
            Samples of all domains, sorted by domain.
        y : ndarray of shape (n_samples,)
            Label of each sample.
        domain : ndarray of shape (n_samples,), str
            Domain of each sample.
        domain_names : list of str
            Names of the files without their ending, sorted.

    Raises
    ------
    FileNotFoundError
        If the folder does not exist.
    ValueError
        If it holds fewer than two npz files, one of them is damaged, lacks ``X`` or
        ``y`` or holds anything but numbers and text in them, these differ in length, or
        the shape of a sample or the kind of labels differs between files.

    Warns
    -----
    UserWarning
        If the domains do not have the same classes. Labels that are not whole numbers are no
        classes and are not compared.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import numpy as np
    >>> from domadapt.datasets import load_features
    >>> with tempfile.TemporaryDirectory() as root:
    ...     np.savez(Path(root, "clean.npz"), X=np.zeros((2, 3)), y=[0, 1])
    ...     np.savez(Path(root, "foggy.npz"), X=np.ones((2, 3)), y=[0, 1])
    ...     data = load_features(root)
    >>> data.X.shape, data.domain
    ((4, 3), array(['clean', 'clean', 'foggy', 'foggy'], dtype='<U5'))
    """
    root = _check_folder(root)
    files = sorted(root.glob("*.npz"))
    if len(files) < 2:
        found = ", ".join(path.name for path in files) or "none"
        raise ValueError(
            f"root={str(root)!r} holds {len(files)} npz files ({found}). At least two domains "
            "were expected, each a <domain>.npz with X and y."
        )
    arrays = {path.stem: _load_domain(path) for path in files}
    first, (X, _) = next(iter(arrays.items()))
    for name, (other, _) in arrays.items():
        if other.shape[1:] != X.shape[1:]:
            raise ValueError(
                f"{name}.npz has samples of shape {other.shape[1:]}, but {first}.npz has samples "
                f"of shape {X.shape[1:]}. All domains need the same shape."
            )
    _compare_labels(arrays)
    if not any(_are_values(y) for _, y in arrays.values()):
        _compare_classes({name: set(y.tolist()) for name, (_, y) in arrays.items()})
    return Bunch(
        X=np.concatenate([X for X, _ in arrays.values()]),
        y=np.concatenate([y for _, y in arrays.values()]),
        domain=np.repeat(list(arrays), [len(y) for _, y in arrays.values()]),
        domain_names=list(arrays),
    )


def _load_domain(path):
    check_name(path, "The path")
    X, y = read_arrays(path, ["X", "y"])
    check_samples_and_labels(path, X, y)
    if y.ndim > 1:
        raise ValueError(
            f"{str(path)!r} has a y of shape {y.shape}. One label for each sample was expected."
        )
    return X, y


def _are_values(y):
    """Tell whether labels are numbers to predict: some are not whole."""
    return y.dtype.kind == "f" and bool((y[np.isfinite(y)] % 1 != 0).any())


def _compare_labels(arrays):
    """Check that labels are numbers in all files or text in all, since they are compared."""
    are_text = {name: y.dtype.kind in "US" for name, (_, y) in arrays.items()}
    if len(set(are_text.values())) > 1:
        text = next(name for name, is_text in are_text.items() if is_text)
        numbers = next(name for name, is_text in are_text.items() if not is_text)
        raise ValueError(
            f"{text}.npz has text for labels in y, but {numbers}.npz has numbers. All domains "
            "need labels of the same kind."
        )
