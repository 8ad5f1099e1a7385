//! Chance, the same for the same seed, and what is drawn by it.

/// Numbers without order (splitmix64).
#[derive(Clone, Debug)]
pub struct Chance(pub u64);

impl Chance {
    /// Another series of the same seed; what is drawn from one leaves the other as it is.
    pub fn of(seed: u64, series: u64) -> Self {
        let mut chance = Self(seed ^ series.wrapping_mul(0xd6e8_feb8_6659_fd93));
        Self(chance.number())
    }

    /// All 64 bits.
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Below `bound`; 0 where that is 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.number() % bound.max(1)
    }

    /// A place in something of this length.
    pub fn index(&mut self, length: usize) -> usize {
        usize::try_from(self.below(length as u64)).unwrap_or(0)
    }

    /// Above 0, at most 1.
    pub fn unit(&mut self) -> f64 {
        const STEPS: u64 = 1 << 53;
        (self.below(STEPS) + 1) as f64 / STEPS as f64
    }

    /// Exponential with mean 1.
    pub fn exponential(&mut self) -> f64 {
        -self.unit().ln()
    }

    /// Normal with mean 0 and deviation 1 (Box and Muller).
    pub fn normal(&mut self) -> f64 {
        let radius = (-2.0 * self.unit().ln()).sqrt();
        radius * (std::f64::consts::TAU * self.unit()).cos()
    }

    /// Pareto with this exponent between `least` and `most`.
    pub fn pareto(&mut self, exponent: f64, least: f64, most: f64) -> f64 {
        let part = 1.0 - (least / most).powf(exponent);
        least * (1.0 - (1.0 - self.unit()) * part).powf(-1.0 / exponent)
    }

    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for at in (1..items.len()).rev() {
            let other = self.index(at + 1);
            items.swap(at, other);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DRAWN: usize = 200_000;

    fn mean(draw: impl FnMut() -> f64) -> f64 {
        std::iter::repeat_with(draw).take(DRAWN).sum::<f64>() / DRAWN as f64
    }

    #[test]
    fn what_is_drawn_has_the_moments_of_its_name() {
        let mut chance = Chance::of(1, 1);
        assert!((mean(|| chance.exponential()) - 1.0).abs() < 0.01);
        assert!(mean(|| chance.normal()).abs() < 0.01);
        assert!((mean(|| chance.normal().powi(2)) - 1.0).abs() < 0.02);
        // Mean of a bounded Pareto, by its formula.
        let (exponent, least, most) = (1.5_f64, 1.0_f64, 100.0_f64);
        let ratio = least / most;
        let expected =
            exponent * least / (exponent - 1.0) * (1.0 - ratio.powf(exponent - 1.0)) / (1.0 - ratio.powf(exponent));
        assert!((mean(|| chance.pareto(exponent, least, most)) / expected - 1.0).abs() < 0.03);
    }

    #[test]
    fn a_pareto_stays_within_its_bounds() {
        let mut chance = Chance::of(2, 1);
        for _ in 0..DRAWN {
            let drawn = chance.pareto(1.2, 0.05, 50.0);
            assert!((0.0499..=50.1).contains(&drawn), "{drawn}");
        }
    }
}
