"""Names the service to ``twistd``; nothing else."""

from twisted.application.service import ServiceMaker

softswitch = ServiceMaker(
    "softswitch",
    "softswitch.app",
    "A hosted telephone exchange: SIP, media, billing and portal",
    "softswitch",
)
