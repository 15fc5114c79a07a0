"""The fast front: HTTP/1 read by llhttp and moved by the event loop's own transports, filling Tornado's interfaces."""
