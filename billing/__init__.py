"""Money: tariffs, rating, the ledger, holds and settlement. Knows nothing of SIP or the portal."""
