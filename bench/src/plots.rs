//! What the SVG files have in common.

use plotters::coord::CoordTranslate;
use plotters::prelude::*;

/// An error of the disk, or of the library.
pub type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

/// Width and height.
pub const SIZE_PX: (u32, u32) = (820, 460);

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
