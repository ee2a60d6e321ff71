"""Workers, licensed agencies and their contracts: what the law says of each, and which agencies need watching."""
