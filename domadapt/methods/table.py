"""The one table of methods: what each is called, learns and aligns by, and how it fine-tunes.

The names in ``alignment=`` and of ``domadapt bench --methods``, titles, recipes, the tables of
the docs and the benchmarks all come from here. A new method is its criterion, its named class,
one entry below, and its paragraph in ``docs/methods``.
"""

from domadapt import alignment
from domadapt.methods import recipes
from domadapt.methods.method import Method
from domadapt.methods.recipes import with_own_weight


def _bsp():
    return [(0.3, alignment.DomainAdversarial()), (1e-4, alignment.BSP())]


def _vada():
    return [
        (1.0, alignment.DomainAdversarial()),
        (0.3, alignment.VirtualAdversarial()),
        (0.3, alignment.EntropyMinimization()),
    ]


def _dsn():
    return [(1.0, alignment.DomainSeparation()), (1.0, alignment.DomainAdversarial())]


def _shot():
    # The paper's second weight is 0.3.
    return [
        (1.0, alignment.EntropyMinimization(diversity=1.0)),
        (0.3, alignment.CentroidLabels()),
    ]


# Methods without a published recipe take the nearest, with weights in units of their own.
_DAN, _CORAL, _DANN, _MDD, _MCC = map(
    with_own_weight, (recipes.DAN, recipes.CORAL, recipes.DANN, recipes.MDD, recipes.MCC)
)

_ENTRIES = [
    Method(
        "source",
        "source only",
        "index",
        paper="",
        classifier="AlignmentClassifier",
        recipe=recipes.SOURCE,
    ),
    Method(
        "dan",
        "DAN",
        "discrepancy",
        paper="Long, Cao, Wang, Jordan (2015), ICML",
        classes=alignment.MMD,
        values=alignment.MMD,
        classifier="DANClassifier",
        regressor="DANRegressor",
        also="mmd",
        recipe=recipes.DAN,
    ),
    Method(
        "jan",
        "JAN",
        "discrepancy",
        paper="Long, Zhu, Wang, Jordan (2017), ICML",
        classes=alignment.JointMMD,
        classifier="JANClassifier",
        recipe=recipes.JAN,
    ),
    Method(
        "dsan",
        "DSAN",
        "discrepancy",
        paper="Zhu et al. (2021), IEEE TNNLS 32(4)",
        classes=alignment.LocalMMD,
        classifier="DSANClassifier",
        recipe=_DAN,
    ),
    Method(
        "cmd",
        "CMD",
        "discrepancy",
        paper="Zellinger et al. (2017), ICLR",
        classes=alignment.CentralMoments,
        values=alignment.CentralMoments,
        classifier="CMDClassifier",
        recipe=_DAN,
    ),
    Method(
        "coral",
        "CORAL",
        "discrepancy",
        paper="Sun, Feng, Saenko (2016), AAAI",
        classes=alignment.CORAL,
        values=alignment.CORAL,
        regressor="CORALRegressor",
        recipe=recipes.CORAL,
    ),
    Method(
        "deepcoral",
        "DeepCORAL",
        "discrepancy",
        paper="Sun, Saenko (2016), ECCV workshops",
        classes=alignment.DeepCORAL,
        classifier="DeepCORALClassifier",
        recipe=_CORAL,
    ),
    Method(
        "dann",
        "DANN",
        "adversarial",
        paper="Ganin et al. (2016), JMLR 17(59)",
        classes=alignment.DomainAdversarial,
        values=alignment.DomainAdversarial,
        classifier="DANNClassifier",
        regressor="DANNRegressor",
        recipe=recipes.DANN,
    ),
    Method(
        "cdan",
        "CDAN+E",
        "adversarial",
        paper="Long, Cao, Wang, Jordan (2018), NeurIPS",
        classes=alignment.ConditionalAdversarial,
        classifier="CDANClassifier",
        recipe=recipes.CDAN,
    ),
    Method(
        "wdgrl",
        "WDGRL",
        "adversarial",
        paper="Shen, Qu, Zhang, Yu (2018), AAAI",
        classes=alignment.WassersteinCritic,
        values=alignment.WassersteinCritic,
        classifier="WDGRLClassifier",
        recipe=_DANN,
    ),
    Method(
        "adda",
        "ADDA",
        "adversarial",
        paper="Tzeng, Hoffman, Saenko, Darrell (2017), CVPR",
        classes=alignment.UntiedAdversarial,
        classifier="ADDAClassifier",
        stages=2,
        recipe=_DANN,
    ),
    Method(
        "untied_adversarial",
        "untied adversarial",
        "adversarial",
        paper="Tzeng, Hoffman, Saenko, Darrell (2017), CVPR",
        classes=alignment.UntiedAdversarial,
        recipe=_DANN,
    ),
    Method(
        "confusion",
        "domain confusion",
        "adversarial",
        paper="Tzeng, Hoffman, Darrell, Saenko (2015), ICCV",
        classes=alignment.DomainConfusion,
        values=alignment.DomainConfusion,
        recipe=_DANN,
    ),
    Method(
        "mcd",
        "MCD",
        "hypothesis",
        paper="Saito, Watanabe, Ushiku, Harada (2018), CVPR",
        classes=alignment.ClassifierDiscrepancy,
        classifier="MCDClassifier",
        recipe=_MDD,
    ),
    Method(
        "mdd",
        "MDD",
        "hypothesis",
        paper="Zhang, Liu, Long, Jordan (2019), ICML",
        classes=alignment.MarginDisparity,
        classifier="MDDClassifier",
        recipe=recipes.MDD,
    ),
    Method(
        "mcc",
        "MCC",
        "target_regularisation",
        paper="Jin, Wang, Long, Wang (2020), ECCV",
        classes=alignment.MCC,
        classifier="MCCClassifier",
        recipe=recipes.MCC,
    ),
    Method(
        "bnm",
        "BNM",
        "target_regularisation",
        paper="Cui et al. (2020), CVPR",
        classes=alignment.BNM,
        classifier="BNMClassifier",
        recipe=recipes.MCC,
    ),
    Method(
        "entropy",
        "entropy",
        "target_regularisation",
        paper="Grandvalet, Bengio (2004), NeurIPS",
        classes=alignment.EntropyMinimization,
        recipe=_MCC,
    ),
    Method(
        "afn",
        "AFN",
        "target_regularisation",
        paper="Xu, Li, Yang, Lin (2019), ICCV",
        classes=alignment.AFN,
        classifier="AFNClassifier",
        recipe=recipes.AFN,
    ),
    Method(
        "bsp",
        "BSP",
        "target_regularisation",
        paper="Chen, Wang, Long, Wang (2019), ICML",
        classes=_bsp,
        classifier="BSPClassifier",
        recipe=recipes.DANN,
    ),
    Method(
        "spectral_penalty",
        "spectral penalty",
        "target_regularisation",
        paper="Chen, Wang, Long, Wang (2019), ICML",
        classes=alignment.BSP,
        recipe=_DANN,
    ),
    Method(
        "vada",
        "VADA",
        "target_regularisation",
        paper="Shu, Bui, Narui, Ermon (2018), ICLR",
        classes=_vada,
        classifier="VADAClassifier",
        recipe=recipes.DANN,
    ),
    Method(
        "vat",
        "VAT",
        "target_regularisation",
        paper="Miyato, Maeda, Koyama, Ishii (2019), IEEE TPAMI 41",
        classes=alignment.VirtualAdversarial,
        recipe=_MCC,
    ),
    Method(
        "deepjdot",
        "DeepJDOT",
        "transport",
        paper="Damodaran et al. (2018), ECCV",
        classes=alignment.DeepJDOT,
        values=alignment.DeepJDOTRegression,
        classifier="DeepJDOTClassifier",
        regressor="DeepJDOTRegressor",
        recipe=_DAN,
    ),
    Method(
        "swd",
        "SWD",
        "transport",
        paper="Lee, Batra, Baig, Ulbricht (2019), CVPR",
        classes=alignment.SlicedWasserstein,
        values=alignment.SlicedWasserstein,
        classifier="SWDClassifier",
        recipe=_DAN,
    ),
    Method(
        "pseudo_labels",
        "PseudoLabel",
        "self_training",
        paper="Lee (2013), ICML workshops",
        classes=alignment.PseudoLabels,
        classifier="PseudoLabelClassifier",
        recipe=_MCC,
    ),
    Method(
        "mean_teacher",
        "MeanTeacher",
        "self_training",
        paper="French, Mackiewicz, Fisher (2018), ICLR",
        classes=alignment.MeanTeacher,
        classifier="MeanTeacherClassifier",
        recipe=_MCC,
    ),
    Method(
        "dsn",
        "DSN",
        "shared_and_private",
        paper="Bousmalis et al. (2016), NeurIPS",
        classes=_dsn,
        classifier="DSNClassifier",
        recipe=recipes.DANN,
    ),
    Method(
        "domain_separation",
        "domain separation",
        "shared_and_private",
        paper="Bousmalis et al. (2016), NeurIPS",
        classes=alignment.DomainSeparation,
        recipe=_DANN,
    ),
    Method(
        "shot",
        "SHOT",
        "source_free",
        paper="Liang, Hu, Feng (2020), ICML",
        classes=_shot,
        classifier="SHOTClassifier",
        setting="source-free",
        stages=2,
        recipe=recipes.MCC,
    ),
    Method(
        "centroids",
        "centroid labels",
        "source_free",
        paper="Liang, Hu, Feng (2020), ICML",
        classes=alignment.CentroidLabels,
        setting="source-free",
        recipe=_MCC,
    ),
    Method(
        "m3sda",
        "M3SDA",
        "other_settings",
        paper="Peng et al. (2019), ICCV",
        classes=alignment.MomentMatching,
        classifier="M3SDAClassifier",
        setting="several sources",
        recipe=_DAN,
    ),
    Method(
        "pada",
        "PADA",
        "other_settings",
        paper="Cao, Ma, Long, Wang (2018), ECCV",
        classes=alignment.PartialAdversarial,
        classifier="PADAClassifier",
        setting="partial",
        recipe=recipes.DANN,
    ),
    Method(
        "osbp",
        "OSBP",
        "other_settings",
        paper="Saito, Yamamoto, Ushiku, Harada (2018), ECCV",
        classes=alignment.OpenSetBackpropagation,
        classifier="OSBPClassifier",
        setting="open set",
        recipe=_DANN,
    ),
    Method(
        "rsd",
        "RSD",
        "regression",
        paper="Chen, Wang, Wang, Long (2021), ICML",
        values=alignment.RSD,
        regressor="RSDRegressor",
        recipe=_DAN,
    ),
]
METHODS = {method.name: method for method in _ENTRIES}
# Every name that may stand in ``alignment=``.
BY_NAME = METHODS | {method.also: method for method in _ENTRIES if method.also}
# Names of the classes that a file may hold.
CLASSES = {"AlignmentClassifier", "AlignmentRegressor"}
CLASSES |= {name for m in _ENTRIES for name in (m.classifier, m.regressor) if name is not None}
