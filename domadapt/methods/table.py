"""The one table of methods: what each is called, learns and aligns by, and how it fine-tunes.

The names in ``alignment=`` and of ``domadapt bench --methods``, titles, recipes, the tables of
the docs and the benchmarks all come from here. A new method is its criterion, its named class,
one entry below, and its paragraph in ``docs/methods``.
"""

from dataclasses import replace

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

# The sizes of the recipe are those of the discriminator, not of private encoders.
_SEPARATION = replace(recipes.DANN, criterion={})
_SEPARATION_ALONE = with_own_weight(_SEPARATION)

# fmt: off
_ENTRIES = [
    Method(
        "source", "source only", "index", "", recipes.SOURCE,
        classifier="AlignmentClassifier",
    ),
    Method(
        "dan", "DAN", "discrepancy", "Long, Cao, Wang, Jordan (2015), ICML", recipes.DAN,
        classes=alignment.MMD, values=alignment.MMD,
        classifier="DANClassifier", regressor="DANRegressor", also="mmd",
    ),
    Method(
        "jan", "JAN", "discrepancy", "Long, Zhu, Wang, Jordan (2017), ICML", recipes.JAN,
        classes=alignment.JointMMD, classifier="JANClassifier",
    ),
    Method(
        "dsan", "DSAN", "discrepancy", "Zhu et al. (2021), IEEE TNNLS 32(4)", _DAN,
        classes=alignment.LocalMMD, classifier="DSANClassifier",
    ),
    Method(
        "cmd", "CMD", "discrepancy", "Zellinger et al. (2017), ICLR", _DAN,
        classes=alignment.CentralMoments, values=alignment.CentralMoments,
        classifier="CMDClassifier",
    ),
    Method(
        "energy", "energy distance", "discrepancy", "Székely, Rizzo (2013), JSPI 143(8)", _DAN,
        classes=alignment.EnergyDistance, values=alignment.EnergyDistance,
        classifier="EnergyDistanceClassifier",
    ),
    Method(
        "coral", "CORAL", "discrepancy", "Sun, Feng, Saenko (2016), AAAI", recipes.CORAL,
        classes=alignment.CORAL, values=alignment.CORAL, regressor="CORALRegressor",
    ),
    Method(
        "deepcoral", "DeepCORAL", "discrepancy", "Sun, Saenko (2016), ECCV workshops", _CORAL,
        classes=alignment.DeepCORAL, classifier="DeepCORALClassifier",
    ),
    Method(
        "dann", "DANN", "adversarial", "Ganin et al. (2016), JMLR 17(59)", recipes.DANN,
        classes=alignment.DomainAdversarial, values=alignment.DomainAdversarial,
        classifier="DANNClassifier", regressor="DANNRegressor",
    ),
    Method(
        "cdan", "CDAN+E", "adversarial", "Long, Cao, Wang, Jordan (2018), NeurIPS", recipes.CDAN,
        classes=alignment.ConditionalAdversarial, classifier="CDANClassifier",
    ),
    Method(
        "wdgrl", "WDGRL", "adversarial", "Shen, Qu, Zhang, Yu (2018), AAAI", _DANN,
        classes=alignment.WassersteinCritic, values=alignment.WassersteinCritic,
        classifier="WDGRLClassifier",
    ),
    Method(
        "adda", "ADDA", "adversarial", "Tzeng, Hoffman, Saenko, Darrell (2017), CVPR", _DANN,
        classes=alignment.UntiedAdversarial, classifier="ADDAClassifier", stages=2,
    ),
    Method(
        "untied_adversarial", "untied adversarial", "adversarial",
        "Tzeng, Hoffman, Saenko, Darrell (2017), CVPR", _DANN, classes=alignment.UntiedAdversarial,
    ),
    Method(
        "confusion", "domain confusion", "adversarial",
        "Tzeng, Hoffman, Darrell, Saenko (2015), ICCV", _DANN,
        classes=alignment.DomainConfusion, values=alignment.DomainConfusion,
    ),
    Method(
        "mcd", "MCD", "hypothesis", "Saito, Watanabe, Ushiku, Harada (2018), CVPR", _MDD,
        classes=alignment.ClassifierDiscrepancy, classifier="MCDClassifier",
    ),
    Method(
        "mdd", "MDD", "hypothesis", "Zhang, Liu, Long, Jordan (2019), ICML", recipes.MDD,
        classes=alignment.MarginDisparity, classifier="MDDClassifier",
    ),
    Method(
        "mcc", "MCC", "target_regularisation", "Jin, Wang, Long, Wang (2020), ECCV", recipes.MCC,
        classes=alignment.MCC, classifier="MCCClassifier",
    ),
    Method(
        "bnm", "BNM", "target_regularisation", "Cui et al. (2020), CVPR", recipes.MCC,
        classes=alignment.BNM, classifier="BNMClassifier",
    ),
    Method(
        "entropy", "entropy", "target_regularisation", "Grandvalet, Bengio (2004), NeurIPS", _MCC,
        classes=alignment.EntropyMinimization,
    ),
    Method(
        "afn", "AFN", "target_regularisation", "Xu, Li, Yang, Lin (2019), ICCV", recipes.AFN,
        classes=alignment.AFN, classifier="AFNClassifier",
    ),
    Method(
        "bsp", "BSP", "target_regularisation", "Chen, Wang, Long, Wang (2019), ICML", recipes.DANN,
        classes=_bsp, classifier="BSPClassifier",
    ),
    Method(
        "spectral_penalty", "spectral penalty", "target_regularisation",
        "Chen, Wang, Long, Wang (2019), ICML", _DANN, classes=alignment.BSP,
    ),
    Method(
        "vada", "VADA", "target_regularisation",
        "Shu, Bui, Narui, Ermon (2018), ICLR", recipes.DANN, classes=_vada,
        classifier="VADAClassifier",
    ),
    Method(
        "vat", "VAT", "target_regularisation",
        "Miyato, Maeda, Koyama, Ishii (2019), IEEE TPAMI 41", _MCC,
        classes=alignment.VirtualAdversarial,
    ),
    Method(
        "deepjdot", "DeepJDOT", "transport", "Damodaran et al. (2018), ECCV", _DAN,
        classes=alignment.DeepJDOT, values=alignment.DeepJDOTRegression,
        classifier="DeepJDOTClassifier", regressor="DeepJDOTRegressor",
    ),
    Method(
        "swd", "SWD", "transport", "Lee, Batra, Baig, Ulbricht (2019), CVPR", _DAN,
        classes=alignment.SlicedWasserstein, values=alignment.SlicedWasserstein,
        classifier="SWDClassifier",
    ),
    Method(
        "pseudo_labels", "PseudoLabel", "self_training", "Lee (2013), ICML workshops", _MCC,
        classes=alignment.PseudoLabels, classifier="PseudoLabelClassifier",
    ),
    Method(
        "mean_teacher", "MeanTeacher", "self_training",
        "French, Mackiewicz, Fisher (2018), ICLR", _MCC, classes=alignment.MeanTeacher,
        classifier="MeanTeacherClassifier",
    ),
    Method(
        "self_supervision", "self-supervision", "self_supervision",
        "Sun, Tzeng, Darrell, Efros (2019), arXiv:1909.11825", _MCC,
        classes=alignment.SelfSupervised, values=alignment.SelfSupervised,
    ),
    Method(
        "dsn", "DSN", "shared_and_private", "Bousmalis et al. (2016), NeurIPS", _SEPARATION,
        classes=_dsn, classifier="DSNClassifier",
    ),
    Method(
        "domain_separation", "domain separation", "shared_and_private",
        "Bousmalis et al. (2016), NeurIPS", _SEPARATION_ALONE, classes=alignment.DomainSeparation,
    ),
    Method(
        "shot", "SHOT", "source_free", "Liang, Hu, Feng (2020), ICML", recipes.MCC,
        classes=_shot, classifier="SHOTClassifier", setting="source-free", stages=2,
    ),
    Method(
        "centroids", "centroid labels", "source_free", "Liang, Hu, Feng (2020), ICML", _MCC,
        classes=alignment.CentroidLabels, setting="source-free",
    ),
    Method(
        "m3sda", "M3SDA", "other_settings", "Peng et al. (2019), ICCV", _DAN,
        classes=alignment.MomentMatching, classifier="M3SDAClassifier", setting="several sources",
    ),
    Method(
        "pada", "PADA", "other_settings", "Cao, Ma, Long, Wang (2018), ECCV", recipes.DANN,
        classes=alignment.PartialAdversarial, classifier="PADAClassifier", setting="partial",
    ),
    Method(
        "osbp", "OSBP", "other_settings", "Saito, Yamamoto, Ushiku, Harada (2018), ECCV", _DANN,
        classes=alignment.OpenSetBackpropagation, classifier="OSBPClassifier", setting="open set",
    ),
    Method(
        "rsd", "RSD", "regression", "Chen, Wang, Wang, Long (2021), ICML", _DAN,
        values=alignment.RSD, regressor="RSDRegressor",
    ),
]
# fmt: on
METHODS = {method.name: method for method in _ENTRIES}
# Every name that may stand in ``alignment=``.
BY_NAME = METHODS | {method.also: method for method in _ENTRIES if method.also}
# Names of the classes that a file may hold.
CLASSES = {"AlignmentClassifier", "AlignmentRegressor"}
CLASSES |= {name for m in _ENTRIES for name in (m.classifier, m.regressor) if name is not None}
