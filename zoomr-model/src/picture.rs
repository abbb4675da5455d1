//! What pictures (SVG) have in common: their colours, on light and on dark ground.
//!
//! The drawing library knows one ground. So a picture is drawn with [`PAPER`], [`INK`] and [`GRID`], and a style sheet in
//! it ([`themed`]) gives those three others where the reader's system is dark (`prefers-color-scheme`, CSS Media
//! Queries 5). A viewer without style sheets shows it as it was drawn.

use plotters::prelude::RGBColor;

/// The ground.
pub(crate) const PAPER: RGBColor = RGBColor(255, 255, 255);
/// Text, axes, and whatever else must be read.
pub(crate) const INK: RGBColor = RGBColor(31, 35, 40);
/// Lines behind everything.
pub(crate) const GRID: RGBColor = RGBColor(225, 228, 232);

/// The same three on dark ground.
const DARK: [(RGBColor, RGBColor); 3] =
    [(PAPER, RGBColor(13, 17, 23)), (INK, RGBColor(230, 237, 243)), (GRID, RGBColor(48, 54, 61))];

/// An SVG document as the drawing library makes it, with a style sheet for dark ground.
pub(crate) fn themed(svg: &str) -> String {
    let hex = |RGBColor(r, g, b): RGBColor| format!("#{r:02X}{g:02X}{b:02X}");
    let rule =
        |property: &str, light, dark| format!("[{property}=\"{}\"]{{{property}:{}}}", hex(light), hex(dark));
    let rules = DARK.map(|(light, dark)| rule("fill", light, dark) + &rule("stroke", light, dark)).concat();
    let style = format!("<style>@media (prefers-color-scheme: dark){{{rules}}}</style>");
    let (head, body) = svg.split_at(svg.find('>').map_or(0, |end| end + 1));
    format!("{head}\n{style}{body}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_style_sheet_stands_inside_of_the_document() {
        let svg = "<svg width=\"9\">\n<rect fill=\"#FFFFFF\"/>\n</svg>\n";
        let themed = themed(svg);
        assert!(
            themed.starts_with(
                "<svg width=\"9\">\n<style>@media (prefers-color-scheme: dark){[fill=\"#FFFFFF\"]"
            )
        );
        assert!(themed.ends_with("</style>\n<rect fill=\"#FFFFFF\"/>\n</svg>\n"), "{themed}");
        assert!(themed.contains("[stroke=\"#1F2328\"]{stroke:#E6EDF3}"), "{themed}");
    }
}
