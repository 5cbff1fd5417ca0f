"""Files that are no CSV, told by their first bytes, whatever they are called.

Source: the list of file signatures of the UK's National Archives, PRONOM; for zip also APPNOTE.TXT, section 4.3.7.
"""

import re

from pipeline.errors import UserError

# So many tell what a file is.
FIRST_BYTES = 1 << 12
_SAVE = "save it as CSV (UTF-8)"
_EXPORT = "write its table as CSV"

_ZIP = b"PK\x03\x04"
_SIGNATURES: tuple[tuple[bytes, str, str], ...] = (
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an Excel workbook (.xls) or another document of old Office", _SAVE),
    (b"PK\x05\x06", "an empty zip archive", "name a file with a table"),
    (b"%PDF-", "a PDF", _EXPORT),
    (b"\x89PNG\r\n\x1a\n", "a PNG picture", "name the file with the numbers"),
    (b"\xff\xd8\xff", "a JPEG picture", "name the file with the numbers"),
    (b"GIF89a", "a GIF picture", "name the file with the numbers"),
    (b"SQLite format 3\0", "an SQLite database", _EXPORT),
    (b"ARROW1\0\0", "an Arrow or Feather file", "write it as Parquet or CSV"),
    (b"\x89HDF\r\n\x1a\n", "an HDF5 file", "write it as Parquet or CSV"),
    (b"\x93NUMPY", "an array of numpy", "write it as CSV, with names of columns"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive", "unpack it"),
    (b"\x1f\x8b", "a file that gzip packed twice", "unpack it once"),
    (b"version https://git-lfs.github.com/", "a pointer of Git LFS", "fetch the file: git lfs pull"),
    (b"$FL2@(#)", "a file of SPSS", _EXPORT),
    (b"<stata_dta>", "a file of Stata", _EXPORT),
    (b"RDX2\n", "a file of R", _EXPORT),
    (b"RDX3\n", "a file of R", _EXPORT),
    (b"X\n\0\0\0", "a file of R", _EXPORT),
    (b"{\\rtf", "a text of a word processor (RTF)", _EXPORT),
    (b"\xfd7zXZ\0", "a file packed by xz", "unpack it, or pack it by gzip or zstd"),
    (b"\x7fELF", "a program", "name the file with the numbers"),
    (b"MZ\x90\0", "a program", "name the file with the numbers"),
    (b"\xcf\xfa\xed\xfe", "a program", "name the file with the numbers"),
    (b"\x80\x04\x95", "a pickle of Python, which is never opened", _EXPORT),
    (b"\x80\x05\x95", "a pickle of Python, which is never opened", _EXPORT),
)
# A header cell may begin with a bracket; it is JSON if what follows it is what follows it in JSON.
_PATTERNS: tuple[tuple[re.Pattern[bytes], str, str], ...] = (
    (re.compile(rb'\s*(\{\s*("[^"]*"\s*:|\})|\[\s*[\[{])'), "JSON", "write it as CSV, one row a line"),
    (re.compile(rb"\s*<(!doctype\s+html|html|head|table)\b", re.IGNORECASE), "a web page (HTML)", "download the CSV"),
    (re.compile(rb"\s*<\?xml\b"), "XML", _EXPORT),
    (re.compile(rb"(\s*%[^\n]*\n)*\s*@relation\s", re.IGNORECASE), "an ARFF file", _EXPORT),
    (re.compile(rb"BZh[1-9]1AY&SY"), "a file packed by bzip2", "unpack it, or pack it by gzip or zstd"),
)


def require_text(start: bytes, file: object) -> None:
    """Check that a file does not begin as something that is known and no CSV. Raises: UserError."""
    text = start.removeprefix(b"\xef\xbb\xbf")
    known = [
        *([_zipped(start)] if start.startswith(_ZIP) else []),
        *((what, remedy) for mark, what, remedy in _SIGNATURES if start.startswith(mark)),
        *((what, remedy) for pattern, what, remedy in _PATTERNS if pattern.match(text)),
    ]
    for what, remedy in known:
        raise UserError(f"{file}: expected a CSV or Parquet file, got {what}; {remedy}")


def _zipped(start: bytes) -> tuple[str, str]:
    if b"opendocument.spreadsheet" in start:
        return "an OpenDocument spreadsheet (.ods)", _SAVE
    if b"xl/" in start or b"[Content_Types].xml" in start or b"docProps/" in start:
        return "an Excel workbook (.xlsx)", _SAVE
    return "a zip archive", "unpack it, or name the file in it as zip://FILE.csv::ARCHIVE.zip"
