"""What a round is played with."""
from collections import namedtuple

from .chain import Chain
from .cluster import Cluster
from .cluster_faults import CLUSTER_FAULTS
from .faults import FAULTS

# make(folder, seed, pace, end): a site.Site. A plan is of so many steps in so many seconds. `end`: where all its rounds end.
Kind = namedtuple("Kind", "make faults steps seconds end")

SITES = {"chain": Kind(Chain, FAULTS, 14, 7.0, None), "cluster": Kind(Cluster, CLUSTER_FAULTS, 20, 12.0, "PostgreSQL")}
