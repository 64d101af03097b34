//! Tags of the TIFF fields used here (TIFF 6.0, appendix A, and its supplements).
#![allow(missing_docs)]

pub const NEW_SUBFILE_TYPE: u16 = 254;
pub const SUBFILE_TYPE: u16 = 255;
pub const IMAGE_WIDTH: u16 = 256;
pub const IMAGE_LENGTH: u16 = 257;
pub const BITS_PER_SAMPLE: u16 = 258;
pub const COMPRESSION: u16 = 259;
pub const PHOTOMETRIC: u16 = 262;
pub const THRESHHOLDING: u16 = 263;
pub const CELL_WIDTH: u16 = 264;
pub const CELL_LENGTH: u16 = 265;
pub const FILL_ORDER: u16 = 266;
pub const IMAGE_DESCRIPTION: u16 = 270;
pub const STRIP_OFFSETS: u16 = 273;
pub const ORIENTATION: u16 = 274;
pub const SAMPLES_PER_PIXEL: u16 = 277;
pub const ROWS_PER_STRIP: u16 = 278;
pub const STRIP_BYTE_COUNTS: u16 = 279;
pub const MIN_SAMPLE_VALUE: u16 = 280;
pub const MAX_SAMPLE_VALUE: u16 = 281;
pub const PLANAR_CONFIGURATION: u16 = 284;
pub const FREE_OFFSETS: u16 = 288;
pub const FREE_BYTE_COUNTS: u16 = 289;
pub const X_RESOLUTION: u16 = 282;
pub const Y_RESOLUTION: u16 = 283;
pub const GRAY_RESPONSE_UNIT: u16 = 290;
pub const GRAY_RESPONSE_CURVE: u16 = 291;
pub const T4_OPTIONS: u16 = 292;
pub const T6_OPTIONS: u16 = 293;
pub const RESOLUTION_UNIT: u16 = 296;
pub const TRANSFER_FUNCTION: u16 = 301;
pub const PREDICTOR: u16 = 317;
pub const WHITE_POINT: u16 = 318;
pub const PRIMARY_CHROMATICITIES: u16 = 319;
pub const COLOR_MAP: u16 = 320;
pub const HALFTONE_HINTS: u16 = 321;
pub const TILE_WIDTH: u16 = 322;
pub const TILE_LENGTH: u16 = 323;
pub const TILE_OFFSETS: u16 = 324;
pub const TILE_BYTE_COUNTS: u16 = 325;
pub const SUB_IFDS: u16 = 330;
pub const INK_SET: u16 = 332;
pub const INK_NAMES: u16 = 333;
pub const NUMBER_OF_INKS: u16 = 334;
pub const DOT_RANGE: u16 = 336;
pub const TARGET_PRINTER: u16 = 337;
pub const EXTRA_SAMPLES: u16 = 338;
pub const SAMPLE_FORMAT: u16 = 339;
pub const S_MIN_SAMPLE_VALUE: u16 = 340;
pub const S_MAX_SAMPLE_VALUE: u16 = 341;
pub const INDEXED: u16 = 346;
pub const JPEG_TABLES: u16 = 347;
pub const GLOBAL_PARAMETERS_IFD: u16 = 400;
pub const JPEG_INTERCHANGE_FORMAT: u16 = 513;
pub const JPEG_INTERCHANGE_FORMAT_LENGTH: u16 = 514;
pub const Y_CB_CR_COEFFICIENTS: u16 = 529;
pub const Y_CB_CR_SUB_SAMPLING: u16 = 530;
pub const Y_CB_CR_POSITIONING: u16 = 531;
pub const REFERENCE_BLACK_WHITE: u16 = 532;
pub const XMP: u16 = 700;
pub const IMAGE_DEPTH: u16 = 32_997;
pub const TILE_DEPTH: u16 = 32_998;
pub const KODAK_IFD: u16 = 33_424;
pub const MODEL_PIXEL_SCALE: u16 = 33_550;
pub const UIC1: u16 = 33_628;
pub const UIC2: u16 = 33_629;
pub const UIC3: u16 = 33_630;
pub const UIC4: u16 = 33_631;
pub const IPTC: u16 = 33_723;
pub const MODEL_TIE_POINTS: u16 = 33_922;
pub const MODEL_TRANSFORMATION: u16 = 34_264;
pub const LSM: u16 = 34_412;
pub const PHOTOSHOP: u16 = 34_377;
pub const EXIF_IFD: u16 = 34_665;
pub const ICC_PROFILE: u16 = 34_675;
pub const GEO_KEYS: u16 = 34_735;
pub const GEO_DOUBLES: u16 = 34_736;
pub const GEO_ASCII: u16 = 34_737;
pub const GPS_IFD: u16 = 34_853;
pub const PHOTOSHOP_LAYERS: u16 = 37_724;
pub const INTEROPERABILITY_IFD: u16 = 40_965;
pub const GDAL_METADATA: u16 = 42_112;
pub const GDAL_NODATA: u16 = 42_113;
/// Content Credentials (C2PA 2.1, A.3.3).
pub const CREDENTIALS: u16 = 52_545;
pub const DNG_VERSION: u16 = 50_706;
pub const IMAGEJ_BYTE_COUNTS: u16 = 50_838;
pub const IMAGEJ: u16 = 50_839;

/// Fields that say where or how pixels are stored.
pub const PIXELS: [u16; 12] = [
    BITS_PER_SAMPLE,
    STRIP_OFFSETS,
    STRIP_BYTE_COUNTS,
    TILE_OFFSETS,
    TILE_BYTE_COUNTS,
    COLOR_MAP,
    EXTRA_SAMPLES,
    SAMPLE_FORMAT,
    JPEG_TABLES,
    Y_CB_CR_COEFFICIENTS,
    Y_CB_CR_SUB_SAMPLING,
    SUB_IFDS,
];
