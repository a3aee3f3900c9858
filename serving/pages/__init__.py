"""The page for marketing and sales: rendered on the server, complete without JavaScript, in English and German."""
