//! Files beside an image that belong to it: GDAL's external mask is applied, the others are reported, since results don't have them.

use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};

use codec::Limits;

/// What lies beside an image.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Sidecars {
    /// GDAL's external mask (`image.tif.msk`), if it can be used.
    pub(super) mask: Option<PathBuf>,
    /// Sentences for the user.
    pub(super) notes: Vec<String>,
}

/// Suffixes that are added to an image's whole name, with what the file holds and what to do about it.
const APPENDED: [(&str, &str); 2] = [
    (".aux.xml", "further metadata (GDAL), which isn't read; its statistics are of the old pixels"),
    (".ovr", "overviews, which show the old pixels; `gdaladdo -ro` makes new ones of the result"),
];

/// Extensions of files that have an image's name without its own extension.
const WORLD: [&str; 8] = ["tfw", "tifw", "tiffw", "wld", "pgw", "pngw", "jgw", "jpgw"];

impl Sidecars {
    /// Looks for the files beside an image. Its mask is ignored if the user names another.
    pub(super) fn beside(image: &Path, mask_given: bool, limits: &Limits) -> Self {
        let mut found = Self::default();
        let named = [".msk", ".MSK"].iter().filter_map(|suffix| appended(image, suffix));
        if let Some(mask) = named.into_iter().find(|mask| mask.is_file()) {
            let name = display(&mask);
            match unfit(image, &mask, limits) {
                _ if mask_given => {
                    found.notes.push(format!("The mask beside it ({name}) isn't used, but that of --mask."))
                }
                Some(reason) => found.notes.push(format!("The mask beside it ({name}) isn't used: {reason}")),
                None => {
                    found.notes.push(format!(
                        "The mask beside it ({name}) was applied. Copy it beside the result, with the result's name and .msk."
                    ));
                    found.mask = Some(mask);
                }
            }
        }
        for (suffix, what) in APPENDED {
            if let Some(file) = appended(image, suffix).filter(|file| file.is_file()) {
                found.notes.push(format!("{} holds {what}.", display(&file)));
            }
        }
        for file in WORLD.iter().chain(&["prj"]).map(|extension| image.with_extension(extension)) {
            if file.is_file() {
                let name = display(&file);
                found.notes.push(format!(
                    "{name} holds the image's position. Copy it beside the result, with the result's name."
                ));
            }
        }
        found
    }
}

/// Returns whether a file of a folder belongs to an image beside it and isn't an image of its own, although it is a TIFF.
pub(super) fn is_sidecar(file: &Path) -> bool {
    let is = |extension: &str| file.extension().is_some_and(|own| own.eq_ignore_ascii_case(extension));
    (is("msk") || is("ovr")) && file.with_extension("").is_file()
}

/// Returns why a file can't be the mask of an image. What is wrong with the image is reported elsewhere.
fn unfit(image: &Path, mask: &Path, limits: &Limits) -> Option<String> {
    let inspect = |path: &Path| {
        let file = File::open(path).map_err(codec::Error::from)?;
        codec::inspect(&mut BufReader::new(file), limits)
    };
    let image = inspect(image).ok()?;
    if image.pages() > 1 {
        return Some("the image has several pages.".to_owned());
    }
    match inspect(mask) {
        Ok(mask) if mask.pages() > 1 => Some("it has several pages.".to_owned()),
        Ok(mask) if (mask.width, mask.height) != (image.width, image.height) => {
            Some("it isn't as large as the image.".to_owned())
        }
        Ok(mask) if mask.layout.bands().is_some() => {
            Some("it has a mask for each band, and an image can only have one for all.".to_owned())
        }
        Ok(_) => None,
        Err(error) => Some(error.to_string()),
    }
}

fn appended(image: &Path, suffix: &str) -> Option<PathBuf> {
    let mut name = image.file_name()?.to_owned();
    name.push(suffix);
    Some(image.with_file_name(name))
}

fn display(file: &Path) -> String {
    file.file_name().unwrap_or(file.as_os_str()).display().to_string()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// Returns a folder with copies of the sample and of what lies beside it.
    fn folder(names: &[&str]) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/samples/tiff");
        for name in names {
            let from = samples.join(name);
            let content = if from.is_file() { std::fs::read(from).unwrap() } else { b"text".to_vec() };
            std::fs::write(folder.path().join(name), content).unwrap();
        }
        let image = folder.path().join("side.tif");
        (folder, image)
    }

    fn beside(names: &[&str], mask_given: bool) -> (bool, Vec<String>) {
        let (_folder, image) = folder(names);
        let Sidecars { mask, notes } = Sidecars::beside(&image, mask_given, &Limits::default());
        (mask.is_some(), notes)
    }

    #[test]
    fn gdals_mask_is_applied_unless_another_is_named() {
        let (used, notes) = beside(&["side.tif", "side.tif.msk"], false);
        assert!(used && notes[0].contains("side.tif.msk") && notes[0].contains("was applied"), "{notes:?}");
        let (used, notes) = beside(&["side.tif", "side.tif.msk"], true);
        assert!(!used && notes[0].contains("isn't used"), "{notes:?}");
        assert_eq!(beside(&["side.tif"], false), (false, Vec::new()));
    }

    #[test]
    fn a_mask_that_does_not_fit_is_ignored() {
        let (folder, image) = folder(&["side.tif"]);
        let other = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/samples/tiff/g_mask_ovr.tif");
        for (content, words) in [(std::fs::read(other).unwrap(), "as large as"), (b"text".to_vec(), "text")] {
            std::fs::write(folder.path().join("side.tif.msk"), content).unwrap();
            let Sidecars { mask, notes } = Sidecars::beside(&image, false, &Limits::default());
            assert!(mask.is_none() && notes[0].contains(words), "{notes:?}");
        }
    }

    #[test]
    fn other_files_are_mentioned() {
        let names = ["side.tif", "side.tif.aux.xml", "side.tif.ovr", "side.tfw", "side.prj"];
        let (used, notes) = beside(&names, false);
        assert!(!used && notes.len() == 4, "{notes:?}");
        assert!(names[1..].iter().all(|name| notes.iter().any(|note| note.contains(name))), "{notes:?}");
    }

    #[test]
    fn masks_and_overviews_beside_an_image_are_no_images() {
        let (folder, image) = folder(&["side.tif", "side.tif.msk", "lone.tif.msk"]);
        assert!(is_sidecar(&folder.path().join("side.tif.msk")));
        assert!(!is_sidecar(&folder.path().join("lone.tif.msk")) && !is_sidecar(&image));
    }
}
