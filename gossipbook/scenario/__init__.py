"""Scenarios: the network, workload and faults of a run as data, and what their words mean, by peer index.

A scenario is TOML: a comment that says why it exists, then ``[network]``, ``[workload]``, any number of
``[[warden]]`` and ``[[fault]]``, ``[expect]`` and ``[budget]``. Every key has a default but a fault's ``kind`` and a
warden's ``state``; an unknown key is an error that names its line and the nearest right one.

    reading ──▶ Scenario ──▶ parts       one dataclass for each section
       │            └──────▶ rules       which values each key may have
       └─ lines                          on which line of the file a key stands
    orders                               who trades what and when, for agents' workloads

The simulator and the rig of real processes run the same scenarios; neither is known here.
"""
