"""The demonstration: real peer processes, real order flow, real faults, and a verdict that is computed.

``network`` starts and stops the peers as processes on loopback; ``traders`` are those who sign and submit;
``monitor`` polls every peer's status; ``faults`` kills and restarts; ``screen`` shows it; ``verdict`` exports
each peer's chains and has them re-executed by the auditor. ``run`` puts them together.
"""
