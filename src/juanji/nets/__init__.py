"""The networks of the papers, each built from juanji's layers and blocks.

>>> sorted(NETS)
['alexnet', 'alexnet_grouped', ...]
>>> net = NETS["resnet20"](in_channels=1, classes=10)
>>> NETS["resnet20"].paper
'He et al., Deep Residual Learning for Image Recognition, 2016, arXiv:1512.03385'
"""

from __future__ import annotations

from .alexnet import ALEXNET, alexnet, alexnet_grouped
from .big_little import BIG_LITTLE, bl_resnet50
from .combined import COMBINED, combined29
from .dcgan import DCGAN, dcgan_generator
from .deeplab import DEEPLAB, deeplab3_resnet50
from .deformable import DEFORMABLE, deformable_resnet50
from .densenet import DENSENET, densenet121, densenet169
from .elastic import ELASTIC, elastic_resnet50, elastic_resnext50
from .factorized import FACTORIZED, factorized18
from .fcn import FCNS, fcn8s, fcn16s, fcn32s
from .googlenet import GOOGLENET, googlenet
from .highway import HIGHWAY, highway
from .igcnet import IGCNET, igcnet18, igcnet20
from .inception_v3 import INCEPTION_V3, inception_v3
from .mobilenet1 import MOBILENET1, mobilenet1
from .mobilenet2 import MOBILENET2, mobilenet2
from .network_in_network import NETWORK_IN_NETWORK, network_in_network
from .octave import OCTAVE, octmobilenet1, octmobilenet2, octresnet26, octresnet50, octresnet101
from .record import Net
from .resnet import (
    RESNET,
    resnet18,
    resnet20,
    resnet32,
    resnet34,
    resnet50,
    resnet56,
    resnet101,
    resnet110,
    resnet152,
)
from .resnext import RESNEXT, resnext50
from .se_resnet import SE_RESNET, se_resnet50
from .shufflenet import (
    SHUFFLENET,
    shufflenet_g1,
    shufflenet_g2,
    shufflenet_g3,
    shufflenet_g4,
    shufflenet_g8,
)
from .vgg import VGG, vgg11, vgg13, vgg16, vgg19
from .xception import XCEPTION, xception

# The names the command line knows (--net resnet20). A record is called as its function is.
NETS: dict[str, Net] = {
    net.name: net
    for net in (
        *ALEXNET,
        *NETWORK_IN_NETWORK,
        *VGG,
        *GOOGLENET,
        *INCEPTION_V3,
        *HIGHWAY,
        *RESNET,
        *RESNEXT,
        *DENSENET,
        *SE_RESNET,
        *BIG_LITTLE,
        *ELASTIC,
        *XCEPTION,
        *MOBILENET1,
        *MOBILENET2,
        *SHUFFLENET,
        *IGCNET,
        *DEFORMABLE,
        *OCTAVE,
        *FACTORIZED,
        *COMBINED,
        *FCNS,
        *DEEPLAB,
        *DCGAN,
    )
}

__all__ = [
    "NETS",
    "Net",
    "alexnet",
    "alexnet_grouped",
    "bl_resnet50",
    "combined29",
    "dcgan_generator",
    "deeplab3_resnet50",
    "deformable_resnet50",
    "densenet121",
    "densenet169",
    "elastic_resnet50",
    "elastic_resnext50",
    "factorized18",
    "fcn8s",
    "fcn16s",
    "fcn32s",
    "googlenet",
    "highway",
    "igcnet18",
    "igcnet20",
    "inception_v3",
    "mobilenet1",
    "mobilenet2",
    "network_in_network",
    "octmobilenet1",
    "octmobilenet2",
    "octresnet26",
    "octresnet50",
    "octresnet101",
    "resnet18",
    "resnet20",
    "resnet32",
    "resnet34",
    "resnet50",
    "resnet56",
    "resnet101",
    "resnet110",
    "resnet152",
    "resnext50",
    "se_resnet50",
    "shufflenet_g1",
    "shufflenet_g2",
    "shufflenet_g3",
    "shufflenet_g4",
    "shufflenet_g8",
    "vgg11",
    "vgg13",
    "vgg16",
    "vgg19",
    "xception",
]
