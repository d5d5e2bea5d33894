"""Commands that prove or check what happened: exports, audits, receipts, rematches."""
