//! Where the elements of a tensor are: a tensor that has only been moved about is no
//! new feature map but another view of one or several.
//!
//! Movement composes: a Transpose of a Slice of a Concat is one list of places.

use std::collections::HashMap;
use std::hash::Hash;
use std::rc::Rc;

/// A tensor of which each element lies in one of `parts`.
#[derive(Debug, Clone)]
pub struct View<P> {
    /// Dimensions after the batch axis.
    pub dims: Vec<usize>,
    pub parts: Rc<[P]>,
    pub order: Order,
}

/// The place of each element, in row-major order of the view's dimensions.
#[derive(Debug, Clone)]
pub enum Order {
    /// As in the only part.
    Rows,
    /// Channels in front of pixels, in a part that has them behind.
    ChannelsFirst {
        channels: usize,
        pixels: usize,
    },
    Explicit(Rc<[Place]>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    pub part: u16,
    pub element: u32,
}

/// Parts a view may have: what a [`Place`] can name.
pub const MAX_PARTS: usize = 1 << 16;

impl<P: Clone> View<P> {
    /// A whole feature map of vectors: the last dimension is the channels.
    pub fn rows(dims: Vec<usize>, part: P) -> View<P> {
        View {
            dims,
            parts: Rc::new([part]),
            order: Order::Rows,
        }
    }

    /// A whole feature map: the first dimension is the channels.
    pub fn channels_first(dims: Vec<usize>, part: P) -> View<P> {
        let channels = dims.first().copied().unwrap_or(1);
        let pixels = dims.iter().skip(1).product();
        View {
            order: Order::channels_first(channels, pixels),
            ..View::rows(dims, part)
        }
    }

    pub fn len(&self) -> usize {
        self.dims.iter().product()
    }

    pub fn place(&self, index: usize) -> Place {
        match &self.order {
            Order::Explicit(places) => places[index],
            order => whole(order.element(index)),
        }
    }

    pub fn places(&self) -> impl Iterator<Item = Place> + '_ {
        (0..self.len()).map(|index| self.place(index))
    }

    /// The same elements, grouped otherwise.
    pub fn reshaped(&self, dims: Vec<usize>) -> View<P> {
        debug_assert_eq!(dims.iter().product::<usize>(), self.len());
        View {
            dims,
            ..self.clone()
        }
    }

    /// The elements at `indices` of this view.
    pub fn gathered(&self, dims: Vec<usize>, indices: impl Iterator<Item = usize>) -> View<P> {
        let places = indices.map(|index| self.place(index)).collect();
        View {
            dims,
            parts: self.parts.clone(),
            order: Order::of(places, self.parts.len()),
        }
    }

    /// Other parts in the places of these.
    pub fn with_parts<Q>(&self, parts: Rc<[Q]>) -> View<Q> {
        debug_assert_eq!(parts.len(), self.parts.len());
        View {
            dims: self.dims.clone(),
            parts,
            order: self.order.clone(),
        }
    }

    /// Whether both show the same elements of parts of the same numbers.
    pub fn same_places<Q>(&self, other: &View<Q>) -> bool {
        self.dims == other.dims && self.order.is(&other.order)
    }
}

impl<P: Copy + Eq + Hash> View<P> {
    /// With equal parts joined.
    pub fn joined(self) -> View<P> {
        let mut numbers: HashMap<P, u16> = HashMap::new();
        let mut parts = Vec::new();
        let number = |part: &P| {
            *numbers.entry(*part).or_insert_with(|| {
                parts.push(*part);
                (parts.len() - 1) as u16
            })
        };
        let number_of: Vec<u16> = self.parts.iter().map(number).collect();
        if parts.len() == self.parts.len() {
            return self;
        }
        let place = |place: Place| Place {
            part: number_of[place.part as usize],
            ..place
        };
        View {
            order: Order::of(self.places().map(place).collect(), parts.len()),
            dims: self.dims,
            parts: parts.into(),
        }
    }
}

fn whole(element: usize) -> Place {
    Place {
        part: 0,
        element: element as u32,
    }
}

impl Order {
    /// In the shortest form. A place list that is a beginning of the part only counts
    /// as explicit by the caller's knowledge of the part's size.
    pub fn of(places: Vec<Place>, parts: usize) -> Order {
        let is = |order: &dyn Fn(usize) -> usize| {
            let mut all = places.iter().enumerate();
            all.all(|(index, &place)| place == whole(order(index)))
        };
        let count = places.len();
        if parts == 1 && count > 0 {
            if is(&|index| index) {
                return Order::Rows;
            }
            // The second element is a whole pixel behind the first.
            let channels = places.get(1).map_or(1, |place| place.element as usize);
            if channels > 1 && count % channels == 0 {
                let pixels = count / channels;
                if is(&|index| index % pixels * channels + index / pixels) {
                    return Order::ChannelsFirst { channels, pixels };
                }
            }
        }
        Order::Explicit(places.into())
    }

    /// The element of a part of one map that the view's element `index` is.
    pub fn element(&self, index: usize) -> usize {
        match self {
            Order::Rows => index,
            Order::ChannelsFirst { channels, pixels } => index % pixels * channels + index / pixels,
            Order::Explicit(places) => places[index].element as usize,
        }
    }

    pub fn is(&self, other: &Order) -> bool {
        match (self, other) {
            (Order::Explicit(a), Order::Explicit(b)) => Rc::ptr_eq(a, b) || a == b,
            (Order::Rows, Order::Rows) => true,
            (
                Order::ChannelsFirst {
                    channels: a,
                    pixels: p,
                },
                Order::ChannelsFirst {
                    channels: b,
                    pixels: q,
                },
            ) => (a, p) == (b, q),
            _ => false,
        }
    }

    /// Of a map whose channels are the first of the dimensions.
    pub fn channels_first(channels: usize, pixels: usize) -> Order {
        match channels == 1 || pixels == 1 {
            true => Order::Rows,
            false => Order::ChannelsFirst { channels, pixels },
        }
    }
}
