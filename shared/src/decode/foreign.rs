//! Files of other types, recognized by their first bytes, and the command that converts each to a type that Evenlight reads.
//!
//! One table for uploads, the command line and the preview. Most commands were tried on files of their types; `docs/formats.md` names
//! the Debian packages that have them.

/// Number of leading bytes that [`refusal`] looks at. DICOM's mark is at 128, a tar archive's at 257.
pub const START: usize = 512;

/// A type of files.
struct Foreign {
    /// Whether the first bytes are those of this type.
    is: fn(&[u8]) -> bool,
    /// Name with its article: "a FITS image".
    name: &'static str,
    /// What to do: a sentence.
    advice: &'static str,
}

/// The first type that matches is the file's.
const TYPES: &[Foreign] = &[
    // Of science and medicine.
    Foreign {
        is: |start| start.starts_with(b"SIMPLE  ="),
        name: "a FITS image",
        advice: "Convert it with `gdal_translate in.fits out.tif`, which keeps its depth.",
    },
    Foreign {
        is: |start| start.get(128..132) == Some(b"DICM"),
        name: "a DICOM image",
        advice: "Convert it with `dcmj2pnm --write-16-bit-png in.dcm out.png` (DCMTK).",
    },
    Foreign {
        is: |start| starts_any(start, &[b"CDF\x01", b"CDF\x02", b"CDF\x05"]),
        name: "a NetCDF file",
        advice: "`gdalinfo in.nc` lists its variables; convert one with `gdal_translate NETCDF:in.nc:variable out.tif`.",
    },
    Foreign {
        is: |start| start.starts_with(b"\x89HDF\r\n\x1a\n"),
        name: "an HDF5 file (perhaps NetCDF 4)",
        advice: "`gdalinfo in.h5` lists its data sets; convert one with `gdal_translate HDF5:in.h5://dataset out.tif`.",
    },
    Foreign {
        is: |start| start.starts_with(b"\x93NUMPY"),
        name: "a NumPy array",
        advice: "Convert it with `python3 -c \"import numpy, tifffile; tifffile.imwrite('out.tif', numpy.load('in.npy'))\"`.",
    },
    // Of high dynamic range and of whole numbers.
    Foreign {
        is: |start| start.starts_with(&[0x76, 0x2f, 0x31, 0x01]),
        name: "an OpenEXR image",
        advice: "Convert it with `vips copy in.exr out.tif`, which keeps floating point.",
    },
    Foreign {
        is: |start| starts_any(start, &[b"#?RADIANCE", b"#?RGBE"]),
        name: "a Radiance HDR image",
        advice: "Convert it with `vips rad2float in.hdr out.tif`, which keeps floating point.",
    },
    Foreign {
        is: |start| netpbm(start, b"Ff"),
        name: "a PFM image",
        advice: "Convert it with `vips copy in.pfm out.tif`, which keeps floating point.",
    },
    Foreign {
        is: |start| netpbm(start, b"14"),
        name: "a PBM image",
        advice: "Convert it with `convert in.pbm out.png` (ImageMagick).",
    },
    Foreign {
        is: |start| netpbm(start, b"25"),
        name: "a PGM image",
        advice: "Convert it with `convert in.pgm out.png` (ImageMagick), which keeps its depth.",
    },
    Foreign {
        is: |start| netpbm(start, b"36"),
        name: "a PPM image",
        advice: "Convert it with `convert in.ppm out.png` (ImageMagick), which keeps its depth.",
    },
    Foreign {
        is: |start| netpbm(start, b"7"),
        name: "a PAM image",
        advice: "Convert it with `convert in.pam out.png` (ImageMagick), which keeps its depth.",
    },
    // Of photographs.
    Foreign {
        is: |start| starts_any(start, &[b"\xff\x0a", b"\0\0\0\x0cJXL \r\n\x87\n"]),
        name: "a JPEG XL image",
        advice: "Convert it with `djxl in.jxl out.png`, which keeps its depth.",
    },
    Foreign {
        is: |start| starts_any(start, &[b"\0\0\0\x0cjP  \r\n\x87\n", b"\xff\x4f\xff\x51"]),
        name: "a JPEG 2000 image",
        advice: "Convert it with `opj_decompress -i in.jp2 -o out.tif`, which keeps its depth.",
    },
    Foreign {
        is: |start| brand(start, &[b"avif", b"avis"]),
        name: "an AVIF image",
        advice: "Convert it with `avifdec in.avif out.png`.",
    },
    Foreign { is: |start| brand(start, &[b"crx "]), name: "a Canon raw image (CR3)", advice: RAW },
    Foreign {
        is: |start| brand(start, &[b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"]),
        name: "an HEIF image (HEIC)",
        advice: "Convert it with `heif-convert in.heic out.png`.",
    },
    Foreign { is: |start| start.starts_with(b"FUJIFILMCCD-RAW"), name: "a Fujifilm raw image (RAF)", advice: RAW },
    Foreign { is: |start| start.starts_with(b"IIU\0"), name: "a Panasonic raw image (RW2)", advice: RAW },
    Foreign {
        is: |start| starts_any(start, &[b"IIRO", b"IIRS", b"MMOR"]),
        name: "an Olympus raw image (ORF)",
        advice: RAW,
    },
    Foreign { is: |start| start.starts_with(b"FOVb"), name: "a Sigma raw image (X3F)", advice: RAW },
    Foreign { is: |start| start.starts_with(b"\0MRM"), name: "a Minolta raw image (MRW)", advice: RAW },
    // Of image editors and the web.
    Foreign {
        is: |start| start.starts_with(b"8BPS"),
        name: "a Photoshop document (PSD)",
        advice: "Flatten it with `convert 'in.psd[0]' out.tif` (ImageMagick).",
    },
    Foreign {
        is: |start| start.starts_with(b"gimp xcf"),
        name: "a GIMP image (XCF)",
        advice: "Open it in GIMP and export it as a TIFF or PNG.",
    },
    Foreign {
        is: |start| starts_any(start, &[b"GIF87a", b"GIF89a"]),
        name: "a GIF image",
        advice: "Convert its first frame with `convert 'in.gif[0]' out.png` (ImageMagick).",
    },
    Foreign {
        is: |start| start.starts_with(b"BM") && start.get(6..10) == Some(&[0; 4]),
        name: "a BMP image",
        advice: "Convert it with `convert in.bmp out.png` (ImageMagick).",
    },
    Foreign {
        is: |start| start.starts_with(&[0, 0, 1, 0]),
        name: "an icon (ICO)",
        advice: "Convert it with `convert in.ico out.png` (ImageMagick).",
    },
    Foreign {
        is: |start| {
            let text = start.strip_prefix(b"\xef\xbb\xbf").unwrap_or(start).trim_ascii_start();
            text.starts_with(b"<svg") || starts_any(text, &[b"<?xml", b"<!--", b"<!DOCTYPE svg"]) && has(text, b"<svg")
        },
        name: "an SVG drawing",
        advice: "Draw its pixels with `rsvg-convert in.svg -o out.png`.",
    },
    Foreign {
        is: |start| start.starts_with(b"%PDF"),
        name: "a PDF document",
        advice: "Draw its pages with `pdftoppm -png -r 300 in.pdf page`, or get the images in it with `pdfimages -all in.pdf image`.",
    },
    // Of moving pictures.
    Foreign { is: |start| brand(start, &[b"qt  "]), name: "a QuickTime video (MOV)", advice: VIDEO },
    Foreign { is: |start| start.get(4..8) == Some(b"ftyp"), name: "an MP4 video", advice: VIDEO },
    Foreign {
        is: |start| start.starts_with(&[0x1a, 0x45, 0xdf, 0xa3]),
        name: "a Matroska or WebM video (MKV)",
        advice: VIDEO,
    },
    Foreign {
        is: |start| start.starts_with(b"RIFF") && start.get(8..12) == Some(b"AVI "),
        name: "an AVI video",
        advice: VIDEO,
    },
    // Archives.
    Foreign {
        is: |start| starts_any(start, &[b"PK\x03\x04", b"PK\x05\x06"]),
        name: "a ZIP archive",
        advice: "Unpack it with `unzip in.zip`.",
    },
    Foreign {
        is: |start| start.starts_with(&[0x1f, 0x8b]),
        name: "a gzip file",
        advice: "Unpack it with `gunzip in.gz`.",
    },
    Foreign { is: |start| start.starts_with(b"BZh"), name: "a bzip2 file", advice: "Unpack it with `bunzip2 in.bz2`." },
    Foreign {
        is: |start| start.starts_with(b"\xfd7zXZ\0"),
        name: "an xz file",
        advice: "Unpack it with `unxz in.xz`.",
    },
    Foreign {
        is: |start| start.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]),
        name: "a Zstandard file",
        advice: "Unpack it with `unzstd in.zst`.",
    },
    Foreign {
        is: |start| start.starts_with(b"7z\xbc\xaf\x27\x1c"),
        name: "a 7z archive",
        advice: "Unpack it with `7z x in.7z`.",
    },
    Foreign {
        is: |start| start.get(257..262) == Some(b"ustar"),
        name: "a tar archive",
        advice: "Unpack it with `tar xf in.tar`.",
    },
    // What isn't the image that its name promises.
    Foreign {
        is: apple_double,
        name: "macOS's notes about another file (AppleDouble)",
        advice: "The image itself has the same name without `._` before it.",
    },
    Foreign {
        is: |start| start.starts_with(b"version https://git-lfs"),
        name: "a Git LFS pointer instead of the file itself",
        advice: "Get the file with `git lfs pull`.",
    },
    Foreign {
        is: |start| {
            let text = start.trim_ascii_start();
            [&b"<!doctype html"[..], b"<html"]
                .iter()
                .any(|tag| text.get(..tag.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(tag)))
        },
        name: "a web page (HTML)",
        advice: "If it was downloaded as an image, the server sent a page instead: open it in a browser to see why.",
    },
    Foreign {
        is: |start| start.starts_with(b"\x89PNG") || start.starts_with(b"\x89png") || start.starts_with(b"\x09PNG\r\n"),
        name: "a PNG damaged by a transfer as text",
        advice: "Transfer it again in binary mode.",
    },
];

const RAW: &str = "Develop it with `dcraw_emu -T -6 in.raw` (LibRaw), which writes a TIFF of 16 bits beside it.";
const VIDEO: &str = "Get a frame of it with `ffmpeg -i in.mp4 -frames:v 1 out.png`.";

/// Returns the sentences with which a file is refused that begins with these bytes ([`START`] of them, or all) and has none of
/// the supported formats: what it is, and what to do.
pub fn refusal(start: &[u8]) -> String {
    const READS: &str = "a PNG, JPEG, TIFF or WebP image";
    if start.is_empty() {
        return format!("The file is empty: it has 0 bytes. Expected {READS}.");
    }
    if let Some(Foreign { name, advice, .. }) = find(start) {
        return format!("This is {name}. Evenlight reads PNG, JPEG, TIFF and WebP. {advice}");
    }
    if start.iter().all(|byte| *byte == 0) {
        return format!("This file begins with zeros; it is not {READS}. Copy or download it again.");
    }
    if is_text(start) {
        return format!("This is text, not {READS}. Send the image itself.");
    }
    let bytes: Vec<String> = start.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    format!(
        "This is not {READS}, and of no type that Evenlight knows: it begins with the bytes {}. Save it as one of these with the \
         program that wrote it.",
        bytes.join(" ")
    )
}

/// Returns the name of the type of a file that begins with these bytes, with its article.
pub fn name(start: &[u8]) -> &'static str {
    match find(start) {
        Some(foreign) => foreign.name,
        None if start.is_empty() => "an empty file",
        None if is_text(start) => "text",
        None => "a file of unknown type",
    }
}

fn find(start: &[u8]) -> Option<&'static Foreign> {
    TYPES.iter().find(|foreign| (foreign.is)(start))
}

fn is_text(start: &[u8]) -> bool {
    start.iter().all(|byte| matches!(byte, b'\t' | b'\n' | b'\r' | 0x0c | 0x20..=0x7e | 0x80..))
}

/// Whether these bytes begin a file in which macOS keeps what a foreign file system can't (RFC 1740: AppleDouble, AppleSingle).
pub fn apple_double(start: &[u8]) -> bool {
    starts_any(start, &[&[0, 5, 0x16, 7], &[0, 5, 0x16, 0]])
}

fn starts_any(start: &[u8], signatures: &[&[u8]]) -> bool {
    signatures.iter().any(|signature| start.starts_with(signature))
}

fn has(text: &[u8], word: &[u8]) -> bool {
    text.windows(word.len()).any(|window| window == word)
}

/// Whether a Netpbm file has one of these kinds: `P`, the kind, and white space or a comment.
fn netpbm(start: &[u8], kinds: &[u8]) -> bool {
    matches!(start, [b'P', kind, b' ' | b'\t' | b'\r' | b'\n' | b'#', ..] if kinds.contains(kind))
}

/// Whether an ISO base media file (ISO/IEC 14496-12, section 4.3) has one of these brands, as its own or a compatible one.
fn brand(start: &[u8], brands: &[&[u8; 4]]) -> bool {
    let [a, b, c, d, b'f', b't', b'y', b'p', ..] = start else { return false };
    let length = (u32::from_be_bytes([*a, *b, *c, *d]) as usize).min(start.len());
    let named = |at: &[u8]| brands.iter().any(|brand| at == *brand);
    // The brand, a version, and the compatible brands.
    start.get(8..12).is_some_and(named) || start.get(16..length).is_some_and(|more| more.chunks_exact(4).any(named))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns a file that begins with these bytes and goes on with others.
    fn file(start: &[u8]) -> Vec<u8> {
        [start, &[1, 2, 3, 0xff].repeat(200)].concat()
    }

    #[test]
    fn every_type_is_named_with_what_evenlight_reads_and_what_to_do() {
        let at = |offset: usize, mark: &[u8]| [&vec![0; offset][..], mark].concat();
        for (start, name, command) in [
            (&b"SIMPLE  =                    T"[..], "a FITS image", "`gdal_translate in.fits"),
            (&at(128, b"DICM"), "a DICOM image", "`dcmj2pnm"),
            (b"CDF\x01\0", "a NetCDF file", "NETCDF:in.nc"),
            (b"\x89HDF\r\n\x1a\n", "an HDF5 file", "HDF5:in.h5"),
            (b"\x93NUMPY\x01\0", "a NumPy array", "tifffile"),
            (b"\x76\x2f\x31\x01\x02\0\0\0", "an OpenEXR image", "`vips copy in.exr"),
            (b"#?RADIANCE\n", "a Radiance HDR image", "`vips rad2float"),
            (b"Pf\n3 2\n", "a PFM image", "`vips copy in.pfm"),
            (b"P4 3 2\n", "a PBM image", "in.pbm"),
            (b"P5\n# by hand\n3 2\n", "a PGM image", "in.pgm"),
            (b"P3\n3 2\n255\n", "a PPM image", "in.ppm"),
            (b"P7\nWIDTH 3\n", "a PAM image", "in.pam"),
            (b"\xff\x0a\xfa", "a JPEG XL image", "`djxl"),
            (b"\0\0\0\x0cJXL \r\n\x87\n", "a JPEG XL image", "`djxl"),
            (b"\0\0\0\x0cjP  \r\n\x87\n", "a JPEG 2000 image", "`opj_decompress"),
            (b"\xff\x4f\xff\x51\0", "a JPEG 2000 image", "`opj_decompress"),
            (b"\0\0\0\x20ftypmif1\0\0\0\0mif1avifmiafMA1B", "an AVIF image", "`avifdec"),
            (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "an HEIF image", "`heif-convert"),
            (b"\0\0\0\x18ftypcrx \0\0\0\x01crx isom", "a Canon raw image", "`dcraw_emu"),
            (b"FUJIFILMCCD-RAW 0201", "a Fujifilm raw image", "`dcraw_emu"),
            (b"IIU\0\x18\0\0\0", "a Panasonic raw image", "`dcraw_emu"),
            (b"IIRO\x08\0\0\0", "an Olympus raw image", "`dcraw_emu"),
            (b"8BPS\0\x01", "a Photoshop document", "in.psd[0]"),
            (b"gimp xcf v011", "a GIMP image", "GIMP"),
            (b"GIF89a", "a GIF image", "in.gif[0]"),
            (b"BM\x36\x10\0\0\0\0\0\0\x36\0\0\0", "a BMP image", "in.bmp"),
            (b"<svg xmlns='x'/>", "an SVG drawing", "`rsvg-convert"),
            (b"\xef\xbb\xbf<?xml version='1.0'?>\n<!-- by me -->\n<svg>", "an SVG drawing", "`rsvg-convert"),
            (b"%PDF-1.7", "a PDF document", "`pdftoppm"),
            (b"\0\0\0\x14ftypqt  \0\0\0\0qt  ", "a QuickTime video", "`ffmpeg"),
            (b"\0\0\0\x18ftypisom\0\0\0\0isommp42", "an MP4 video", "`ffmpeg"),
            (b"\x1a\x45\xdf\xa3", "a Matroska or WebM video", "`ffmpeg"),
            (b"RIFF\0\x10\0\0AVI LIST", "an AVI video", "`ffmpeg"),
            (b"PK\x03\x04", "a ZIP archive", "`unzip"),
            (b"\x1f\x8b\x08", "a gzip file", "`gunzip"),
            (&at(257, b"ustar\0"), "a tar archive", "`tar"),
            (b"\0\x05\x16\x07\0\x02\0\0Mac OS X", "AppleDouble", "without `._`"),
            (b"version https://git-lfs.github.com/spec/v1\n", "a Git LFS pointer", "`git lfs pull`"),
            (b"\n<!DOCTYPE HTML>\n<html>", "a web page", "browser"),
            (b"\x89PNG\n\x1a\n", "a PNG damaged by a transfer as text", "binary mode"),
        ] {
            let sentence = refusal(&file(start)[..START]);
            assert!(sentence.contains(name) && sentence.contains(command), "{name}: {sentence}");
            assert!(
                sentence.contains("Evenlight reads PNG, JPEG, TIFF and WebP.") && sentence.ends_with('.'),
                "{sentence}"
            );
            assert!(super::super::detect(&file(start)).is_none(), "{name} is none of Evenlight's");
        }
    }

    #[test]
    fn what_has_no_signature_is_described() {
        for (start, words) in [
            (&b""[..], "empty"),
            (b"Hello, I am called photo.png\n", "This is text, not a PNG"),
            ("Größe".as_bytes(), "This is text"),
            // Words that begin as signatures do.
            (b"BMW and Mini, since 1994", "This is text"),
            (b"P5, the fifth pod", "This is text"),
            (&[0; 40], "zeros"),
            (&[0, 1, 2, 3, 4, 5], "begins with the bytes 00 01 02 03 04 05."),
        ] {
            let sentence = refusal(start);
            assert!(sentence.contains(words) && sentence.ends_with('.'), "{sentence}");
        }
    }
}
