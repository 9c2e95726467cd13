"""Call control: the B2BUA machine, the registrar and the rim that joins SIP, media and money."""
