//! What the SVG files have in common.

use plotters::coord::CoordTranslate;
use plotters::prelude::*;

/// An error of the disk, or of the library.
pub type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

/// Width and height.
pub const SIZE_PX: (u32, u32) = (820, 460);

/// Colours that are apart from each other for most kinds of colour vision, beside black and greys (Okabe and Ito 2008).
pub mod colours {
    use plotters::style::RGBColor;

    pub const BLUE: RGBColor = RGBColor(0, 114, 178);
    pub const ORANGE: RGBColor = RGBColor(230, 159, 0);
    pub const GREEN: RGBColor = RGBColor(0, 158, 115);
    pub const PURPLE: RGBColor = RGBColor(204, 121, 167);
    pub const SKY: RGBColor = RGBColor(86, 180, 233);
    pub const VERMILION: RGBColor = RGBColor(213, 94, 0);
    pub const YELLOW: RGBColor = RGBColor(240, 228, 66);
}

/// Draws the legend of all series that have a label.
///
/// # Errors
/// It cannot be drawn.
pub fn legend<'a, CT: CoordTranslate>(chart: &mut ChartContext<'a, SVGBackend<'a>, CT>) -> Outcome<()> {
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperLeft)
        .background_style(WHITE.mix(0.8))
        .border_style(BLACK.mix(0.2))
        .draw()?;
    Ok(())
}
