//! A [`Network`](crate::network::Network) under construction: operations are appended,
//! and views are laid out as maps where an operation wants them so.

use crate::network::{CodeType, Finish, Kind, Map, MapId, Operation, Shape, Source};
use crate::table::Table;
use crate::view::{Order, View};
use std::collections::HashMap;
use std::rc::Rc;

/// Elements that all views and rearrangements list: a small file must not ask for
/// much memory.
const MAX_PLACES: usize = 1 << 25;

/// Weights of all layers together. Layers may share a constant, so the file's size
/// does not bound them.
const MAX_WEIGHTS: usize = 1 << 30;

/// Function values of all tables, for the same reason.
const MAX_EVALUATIONS: usize = 1 << 25;

#[derive(Debug, Default)]
pub struct Builder {
    pub maps: Vec<Map>,
    pub operations: Vec<Operation>,
    pub notes: Vec<String>,
    places: usize,
    weights: usize,
    evaluations: usize,
    arranged: HashMap<Arrangement, MapId>,
    constants: HashMap<MapId, Rc<[u8]>>,
}

/// A tensor of codes: one type, any number of maps.
#[derive(Debug, Clone)]
pub struct Codes {
    pub view: View<CodePart>,
    pub code: CodeType,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CodePart {
    Map(MapId),
    /// A stored code.
    Code(u8),
}

/// What makes two rearrangements the same.
type Arrangement = (Shape, Vec<MapId>, Rc<[Source]>);

impl Builder {
    pub fn map(&mut self, name: &str, shape: Shape) -> MapId {
        self.maps.push(Map {
            name: name.to_string(),
            shape,
        });
        MapId(self.maps.len() - 1)
    }

    pub fn shape(&self, map: MapId) -> Shape {
        self.maps[map.0].shape
    }

    pub fn operation(&mut self, name: &str, kind: Kind, shape: Shape, finish: Finish) -> MapId {
        let output = self.map(name, shape);
        self.operations.push(Operation {
            name: name.to_string(),
            kind,
            output,
            finish,
        });
        output
    }

    /// The codes of a map through a table.
    pub fn tabulated(&mut self, name: &str, map: MapId, table: &Table) -> MapId {
        let mut finish = Finish::default();
        finish.then(table);
        if finish == Finish::default() {
            return map;
        }
        let shape = self.shape(map);
        self.operation(name, Kind::Elementwise { input: map }, shape, finish)
    }

    /// A map of `shape` in which the elements of `view` stand in `order`.
    pub fn arranged(
        &mut self,
        name: &str,
        view: &View<CodePart>,
        order: &Order,
        shape: Shape,
    ) -> Result<MapId, String> {
        debug_assert_eq!(view.len(), shape.elements());
        if let [CodePart::Map(map)] = view.parts[..] {
            if self.shape(map) == shape && order.is(&view.order) {
                return Ok(map);
            }
        }
        self.count_places(2 * view.len())?;
        let (inputs, numbers) = self.distinct_maps(&view.parts);
        let mut sources = vec![Source::Code(0); view.len()];
        for (index, place) in view.places().enumerate() {
            let element = place.element;
            sources[order.element(index)] = match view.parts[place.part as usize] {
                CodePart::Code(code) => Source::Code(code),
                CodePart::Map(map) => match numbers.get(&map) {
                    Some(&input) => Source::Element { input, element },
                    None => Source::Code(self.constants[&map][element as usize]),
                },
            };
        }
        let key: Arrangement = (shape, inputs, sources.into());
        if let Some(&map) = self.arranged.get(&key) {
            return Ok(map);
        }
        let map = match key.1.is_empty() {
            true => {
                let codes: Rc<[u8]> = key.2.iter().map(code).collect();
                let kind = Kind::Constant {
                    codes: codes.clone(),
                };
                let map = self.operation(name, kind, shape, Finish::default());
                self.constants.insert(map, codes);
                map
            }
            false => {
                let kind = Kind::Rearrange {
                    inputs: key.1.clone(),
                    sources: key.2.clone(),
                };
                self.operation(name, kind, shape, Finish::default())
            }
        };
        self.arranged.insert(key, map);
        Ok(map)
    }

    /// The maps among parts that are not constant, and their numbers.
    fn distinct_maps(&self, parts: &[CodePart]) -> (Vec<MapId>, HashMap<MapId, u16>) {
        let mut inputs = Vec::new();
        let mut numbers = HashMap::new();
        for part in parts {
            match *part {
                CodePart::Map(map) if !self.constants.contains_key(&map) => {
                    numbers.entry(map).or_insert_with(|| {
                        inputs.push(map);
                        (inputs.len() - 1) as u16
                    });
                }
                _ => {}
            }
        }
        (inputs, numbers)
    }

    /// Counts elements that are about to be listed.
    pub fn count_places(&mut self, count: usize) -> Result<(), String> {
        count_up(&mut self.places, count, MAX_PLACES, "moved elements")
    }

    pub fn count_weights(&mut self, count: usize) -> Result<(), String> {
        count_up(&mut self.weights, count, MAX_WEIGHTS, "weights")
    }

    pub fn count_evaluations(&mut self, count: usize) -> Result<(), String> {
        count_up(
            &mut self.evaluations,
            count,
            MAX_EVALUATIONS,
            "function values",
        )
    }
}

fn count_up(total: &mut usize, count: usize, limit: usize, what: &str) -> Result<(), String> {
    let sum = total.saturating_add(count);
    if sum > limit {
        return Err(format!(
            "the nodes up to here have {sum} {what}; at most {limit} fit a program"
        ));
    }
    *total = sum;
    Ok(())
}

fn code(source: &Source) -> u8 {
    match source {
        Source::Code(code) => *code,
        Source::Element { .. } => unreachable!("a constant has no inputs"),
    }
}
