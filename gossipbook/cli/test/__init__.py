"""Commands that try the network out: demonstration, simulator, explorer."""
