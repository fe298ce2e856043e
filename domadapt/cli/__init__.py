"""The ``domadapt`` command: tables of methods and pairs of domains, and single models."""

import argparse
import itertools
import math
import os
import re
import sys

import domadapt
from domadapt._storage.text import check_name
from domadapt.experiments.tasks import DATASETS, ON_PAIRS
from domadapt.methods import ADAPTERS, METHODS
from domadapt.shallow._combinations import PLAIN

# What a person can correct; anything else is a bug, and shows where it happened.
CORRECTABLE = (ValueError, OSError, ImportError)
# The options behind parameters that have another name.
OPTIONS = {"max_epochs": "epochs", "n_workers": "workers", "name": "backbone", "crop": "image_size"}
# How messages name a parameter.
NAMED = re.compile(r"^(?:The '(\w+)' parameter of |(\w+)[=:])")


def main(argv=None):
    """Run the command.

    Parameters
    ----------
    argv : list of str, default=None
        The arguments after the command's name. None takes them from the command line.

    Returns
    -------
    status : int
        0 if all went well, 1 if some cells of a table failed, 2 if something has to be
        corrected first, 3 if the time was up before a table was whole, 130 if it was
        interrupted.
    """
    arguments = _make_parser().parse_args(argv)
    try:
        _check_text(arguments)
        return arguments.run(arguments) or 0
    except CORRECTABLE as error:
        message = _with_option(" ".join(str(error).split()), arguments)
        print(f"domadapt: error: {message}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        hint = " What is finished is kept: add --resume." if arguments.command == "bench" else ""
        print(f"domadapt: interrupted.{hint}", file=sys.stderr)
        return 130


def _check_text(arguments):
    """Check that what was typed is text, so that it can be written into files."""
    for values in vars(arguments).values():
        for value in values if isinstance(values, list) else [values]:
            if isinstance(value, str):
                check_name(value, "The argument")


def _with_option(message, arguments):
    """Return a message that begins with the option behind the parameter that it names."""
    message = message.replace("ImageLoader(unreadable='skip')", "--skip-unreadable")
    found = NAMED.match(message)
    if found is None:
        return message
    name = found[1] or found[2]
    option = OPTIONS.get(name, name)
    if not hasattr(arguments, option) or option in ("folder", "source", "data", "model"):
        return message
    return f"--{option.replace('_', '-')}: {message}"


def _make_parser():
    parser = argparse.ArgumentParser(
        prog="domadapt",
        description="Unsupervised domain adaptation: labels for one domain, right on another.",
    )
    parser.add_argument("--version", action="version", version=f"domadapt {domadapt.__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="command")
    _add_bench(commands)
    _add_report(commands)
    _add_fit(commands)
    _add_predict(commands)
    return parser


def _whole(minimum):
    def read(text):
        number = int(text)
        if number < minimum:
            raise argparse.ArgumentTypeError(f"{number} is below {minimum}")
        return number

    read.__name__ = "whole number"
    return read


def _minutes(text):
    number = float(text)
    if not 0 < number < math.inf:
        raise argparse.ArgumentTypeError(f"{text} is no time above 0")
    return number


def _method_names(methods):
    """Return the names of methods, by family."""
    families = itertools.groupby(methods.values(), key=lambda method: method.family)
    return "; ".join(
        f"{family.replace('_', ' ')}: {', '.join(method.name for method in methods)}"
        for family, methods in families
        if family != "index"
    )


def _shallow_names():
    """Return how methods without a network are named."""
    adapters = [m.also or m.name for m in ADAPTERS.values() if m.setting == "one source"]
    return (
        f"Without a network, an estimator: {', '.join(PLAIN)}; or ADAPTER+ESTIMATOR, such as "
        f"coral_map+lr, with the adapters {', '.join(adapters)}. And auto, which tries plain and "
        "adapted models and chooses, or mixes them, without target labels; it takes vectors"
    )


def _add_backbone(parser, *, default=None):
    group = parser.add_argument_group("backbone, for photographs")
    group.add_argument(
        "--backbone",
        default=default,
        metavar="NAME",
        help="a classification model of torchvision, or timm/NAME"
        + (f" (default: {default})" if default else ""),
    )
    group.add_argument(
        "--weights",
        metavar="FILE",
        help="its weights: safetensors or a torch state dict; or DEFAULT to let torchvision "
        "download them; or 'random'",
    )
    group.add_argument(
        "--freeze",
        action="store_true",
        help="do not train the backbone: compute its features once, and train on them",
    )
    group.add_argument(
        "--image-size", type=_whole(1), default=224, metavar="PIXELS", help="(default: 224)"
    )
    group.add_argument(
        "--skip-unreadable",
        action="store_true",
        help="read all images first, and leave out and count those that cannot be read",
    )
    group.add_argument("--workers", type=_whole(0), metavar="N", help="processes that read images")
    group.add_argument(
        "--cache-megabytes",
        type=float,
        metavar="MB",
        help="memory for decoded images; they are kept where all fit (default: 1024)",
    )
    group.add_argument(
        "--cache-folder",
        metavar="PATH",
        help="a folder to keep decoded and resized images in, for this run and later ones",
    )
    return group


def _add_device(parser):
    parser.add_argument(
        "--device", default="auto", help="auto, cpu, cuda or cuda:N (default: auto)"
    )


def _add_precision(parser):
    parser.add_argument(
        "--precision",
        default="float32",
        choices=["float32", "bfloat16"],
        help="what the feature extractor computes in (default: float32)",
    )


def _add_bench(commands):
    parser = commands.add_parser(
        "bench",
        help="run all methods on all pairs of domains",
        description="Run methods on pairs of domains and print the table. A run that was stopped "
        "is continued with --resume, and may then have more methods, pairs and seeds. Target "
        "labels are read for the figures of the table and for nothing else. Where several methods "
        "were run, the table names one for each pair without them.",
        epilog="With torchrun --nproc-per-node=N -m domadapt bench ... each model is trained by "
        "N processes together.",
    )
    parser.add_argument(
        "dataset",
        choices=DATASETS,
        help="what --root holds: a known set, any folder of domains with a folder of images for "
        "each class, or features, one <domain>.npz with X and y for each domain",
    )
    parser.add_argument("--root", required=True, metavar="DIR", help="the folder of the data")
    parser.add_argument("--out", required=True, metavar="DIR", help="the folder of the run")
    parser.add_argument(
        "--methods",
        default="source,dan,dann,deepcoral",
        help="names with commas between them, or all (default: source,dan,dann,deepcoral); source "
        f"is trained without a target. {_method_names(ON_PAIRS)}. {_shallow_names()}",
    )
    parser.add_argument(
        "--pairs", help="source:target with commas between, such as A:W,D:W (default: all)"
    )
    parser.add_argument(
        "--seeds", type=_whole(1), default=3, metavar="N", help="runs of every cell (default: 3)"
    )
    parser.add_argument(
        "--epochs", type=_whole(1), metavar="N", help="in place of the recipe's or the default"
    )
    parser.add_argument(
        "--steps-per-epoch", type=_whole(1), metavar="N", help="in place of the recipe's"
    )
    parser.add_argument(
        "--batch-size", type=_whole(1), metavar="N", help="samples of each domain in a mini-batch"
    )
    _add_course(parser)
    _add_device(parser)
    _add_precision(parser)
    _add_backbone(parser, default="resnet50").add_argument(
        "--features",
        metavar="DIR",
        help="the folder of the features of a frozen backbone; other runs with the same folder "
        "do not compute them again (default: features in --out)",
    )
    parser.set_defaults(run=_bench)


def _add_course(parser):
    """Add how a run goes on: from where, by how many at once, for how long."""
    parser.add_argument(
        "--resume", action="store_true", help="continue the run in --out, or add to it"
    )
    parser.add_argument(
        "--jobs",
        type=_whole(1),
        default=1,
        metavar="N",
        help="processes that train cells side by side (default: 1)",
    )
    parser.add_argument(
        "--backend",
        choices=["loky", "dask"],
        default="loky",
        help="whose processes train cells side by side: loky, those of this machine that --jobs "
        "asks for; dask, those of the scheduler that --scheduler names (default: loky)",
    )
    parser.add_argument(
        "--scheduler",
        metavar="ADDRESS",
        help="where dask scheduler answers, such as 10.0.0.5:8786",
    )
    parser.add_argument(
        "--together",
        action="store_true",
        help="train the seeds of a method on vectors as one, which pays for small networks; "
        "results are the same up to rounding",
    )
    parser.add_argument(
        "--time-limit",
        type=_minutes,
        metavar="MINUTES",
        help="stop after so long; --resume goes on from there",
    )


def _add_report(commands):
    parser = commands.add_parser(
        "report",
        help="write the tables and the page of a run",
        description="Print the table of a run, and write table.md, table.csv, table.json and "
        "report.html into its folder. The page needs no other file and no network. The run need "
        "not be finished. In table.csv, text that a spreadsheet would run as a formula has an "
        "apostrophe in front of it.",
    )
    parser.add_argument("folder", help="the folder of a run of domadapt bench")
    parser.set_defaults(run=_report)


def _add_fit(commands):
    parser = commands.add_parser(
        "fit",
        help="train a model on a labelled source and an unlabelled target",
        description="Train a model and save it.",
        epilog="A source is a table with a column of labels, csv or Parquet, an npz or HDF5 file "
        "with X and y, or a folder with one folder of images for each class. A target is of the "
        "same kind; labels in it are not read. In tables, columns of numbers are scaled, and each "
        "category of a column of text becomes a column of its own, by source and target together; "
        "the model keeps this for predict.",
    )
    parser.add_argument(
        "source",
        nargs="+",
        help=".csv, .parquet, .npz or .h5 file or folder of classes of images; several where there "
        "are several sources",
    )
    parser.add_argument("--target", required=True, help="a file or folder like the source")
    parser.add_argument("--out", required=True, metavar="FILE", help="the model, .safetensors")
    parser.add_argument(
        "--method",
        default="dan",
        help="a name (default: dan); source is trained without the target. "
        f"{_method_names(METHODS)}. {_shallow_names()}",
    )
    parser.add_argument(
        "--label", default="y", metavar="COLUMN", help="column of labels in a table (default: y)"
    )
    parser.add_argument(
        "--task",
        choices=["auto", "classes", "values"],
        default="auto",
        help="what the labels are; auto takes numbers that are not whole for values to predict, "
        "and all else for classes (default: auto)",
    )
    parser.add_argument(
        "--no-scaling", action="store_true", help="leave columns of numbers as they are"
    )
    parser.add_argument(
        "--set",
        action="append",
        metavar="PARAMETER=VALUE",
        help="a parameter of the estimator, such as learning_rate=0.01, or of its criterion, such "
        "as alignment__bandwidth=2.0; may be given several times",
    )
    parser.add_argument("--epochs", type=_whole(1), metavar="N", help="in place of the default")
    parser.add_argument("--seed", type=_whole(0), default=0, metavar="N", help="(default: 0)")
    _add_device(parser)
    _add_precision(parser)
    _add_backbone(parser)
    parser.set_defaults(run=_fit)


def _add_predict(commands):
    parser = commands.add_parser(
        "predict",
        help="predict labels with a saved model",
        description="Predict the label of every sample, as csv. Columns that the model does not "
        "know are left out. Text that a spreadsheet would run as a formula is written with an "
        "apostrophe in front of it.",
    )
    parser.add_argument("model", help="a file of domadapt fit or of an estimator's save")
    parser.add_argument("data", help="table, npz or HDF5 file with X, or folder of images")
    parser.add_argument("--out", metavar="FILE", help="a csv file (default: print)")
    parser.add_argument(
        "--probabilities", action="store_true", help="one more column for each class"
    )
    parser.add_argument(
        "--skip-unreadable",
        action="store_true",
        help="read all images first, and leave out and count those that cannot be read",
    )
    _add_device(parser)
    parser.set_defaults(run=_predict)


# Each command imports what it needs and no more, matplotlib for one.


def _bench(arguments):
    from domadapt.cli.bench import bench

    return bench(arguments)


def _report(arguments):
    from domadapt.experiments.report import write_report

    print(write_report(arguments.folder))
    print(f"written to {os.path.join(arguments.folder, 'report.html')}", file=sys.stderr)


def _fit(arguments):
    from domadapt.cli.single_model import fit

    fit(arguments)


def _predict(arguments):
    from domadapt.cli.single_model import predict

    predict(arguments)
