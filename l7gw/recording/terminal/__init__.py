"""A terminal for recordings: text and escape sequences become cells, and nothing that was printed is lost without a word.

Guarantees: no input raises; time and memory are bounded by the input and the screen; every printable character stands in a cell or
is handed over before it is lost; no sequence is answered. Knows no journal and no file; imports `l7gw.names` alone. From the
bottom: `unseen` and `parser`; `style`, `cells`, `screen`; `emulator`. How a replay looks is left to `recording.replay`.
"""
