"""The section on the speed with images, and its tables."""

IMAGES = """
## Speed with images

Reading: {reading}. On {processor}, domadapt reads {rates[domadapt]:.0f} images a second and the
plain loader {rates[plain]:.0f}, a ratio of {ratio:.2f}; with decoded images in memory the ratio
is {in_memory:.2f}.

Training: {training}. The ratio to a bare float32 loop in torch's default memory layout is
{over_bare:.2f}. Made by `python benchmarks/image_speed.py`.
"""

DECODING = """
### Reading and training

{workload}; on {processor}. Made by `python benchmarks/decoding_speed.py`.

{reading}

{networks}

Where two worker processes read photographs of {trained_on} pixels on two cores, and two threads
train ResNet-18, these wait {waiting:.1%} of the time for their mini-batches. A photograph of
{large} pixels is decoded at {reduced[0]} x {reduced[1]} in {milliseconds[reduced]:.0f} ms, and
whole in {milliseconds[whole]:.0f} ms; resized, the two differ by {mean:.2f} of 255 on average,
and by {largest:.0f} at most.

With `torch.compile` and batch normalisation by domain:

{compiling}
"""

TITLES = {"mobilenet_v2": "MobileNetV2", "resnet18": "ResNet-18", "resnet50": "ResNet-50"}


def images(report, decoding):
    """Write the section, from the reports of both scripts."""
    reading, training = report["reading"], report["training"]
    text = IMAGES.format(
        reading=reading["workload"],
        processor=report["hardware"]["processor"],
        rates=reading["images per second"],
        ratio=reading["domadapt over plain"],
        in_memory=reading["in memory over plain"],
        training=training["workload"],
        over_bare=training["domadapt over bare loop"],
    )
    large = decoding["large photographs"]
    return text + DECODING.format(
        workload=decoding["workload"],
        processor=decoding["hardware"]["processor"],
        reading=reading_table(decoding),
        networks=network_table(decoding),
        trained_on=decoding["trained on"],
        waiting=decoding["share of waiting"],
        large=list(decoding["milliseconds to read"])[-1],
        reduced=large["decoded at"],
        milliseconds=large["milliseconds to decode"],
        mean=large["mean difference of 255"],
        largest=large["largest difference of 255"],
        compiling=compiling_table(decoding),
    )


def reading_table(decoding):
    """Write milliseconds to read an image, by its size and where it is cached."""
    head = "| pixels | decoded, ms | from `cache_folder`, ms | from `cache_megabytes`, ms |"
    lines = [
        f"| {size} | {row['decoded']:.1f} | {row['cache_folder']:.1f} | "
        f"{row['cache_megabytes']:.1f} |"
        for size, row in decoding["milliseconds to read"].items()
    ]
    return "\n".join([head, "|---|---:|---:|---:|", *lines])


def network_table(decoding):
    """Write milliseconds to train on an image, and how many are read meanwhile."""
    head = f"| network | training, ms | frozen, ms | {decoding['trained on']} read meanwhile |"
    meanwhile = decoding["images read while one is trained on"]
    lines = [
        f"| {TITLES[name]} | {row['training']:.0f} | {row['frozen']:.0f} | {meanwhile[name]:.0f} |"
        for name, row in decoding["milliseconds in the network"].items()
    ]
    return "\n".join([head, "|---|---:|---:|---:|", *lines])


def compiling_table(decoding):
    """Write what torch.compile changes."""
    lines = [
        f"| {TITLES[name]} | {row['compiled over plain']:.2f} | {row['seconds to compile']:.0f} |"
        for name, row in decoding["compiling"].items()
    ]
    head = "| network | time of a step over that without | seconds to compile it |"
    return "\n".join([head, "|---|---:|---:|", *lines])
