//! QuantizeLinear and DequantizeLinear.

use super::{float_scalar, host, Context, Real, RealMap, RealPart, Scaled, Tabulated, Value};
use crate::builder::{Builder, CodePart, Codes};
use crate::graph::{normalise_axis, Data, Node, Tensor};
use crate::network::{CodeType, Finish, InputKind, Kind, MapId, Preparation, Quantiser};
use crate::onnx::data_type;
use crate::pairs::Target;
use crate::table::Table;
use crate::view::{Order, Place, View};
use std::collections::{HashMap, HashSet};
use std::rc::Rc;

pub fn quantise(context: &mut Context, node: &Node) -> Result<Value, String> {
    let scale = context
        .constant(node, 1)?
        .ok_or("input 1, the scale, is missing")?;
    let zero_point = context.constant(node, 2)?;
    let to = per_tensor(node, &scale, zero_point.as_deref())?;
    let value = context.required(node, 0)?.clone();
    let output = node.outputs.first().map_or("", String::as_str);
    let target = Target {
        quantiser: to,
        code: context.runtime.code(output, to.code),
    };
    quantise_value(context, &node.name, value, &target)
}

/// Codes of real numbers, whatever they have come from.
pub fn quantise_value(
    context: &mut Context,
    name: &str,
    value: Value,
    to: &Target,
) -> Result<Value, String> {
    let view = match value {
        Value::Real(real) => quantise_real(context, name, &real, to)?,
        Value::Sums(view, sums) => {
            let map = sums.quantise(&mut context.builder, to)?;
            view.with_parts(Rc::new([CodePart::Map(map)]))
        }
        Value::Codes(_) => return Err("its input is quantised already".to_string()),
        Value::Host(hosted) => host::quantise(&mut context.builder, name, &hosted, to)?,
        _ => return Err("its input is a constant that cannot be quantised".to_string()),
    };
    let code = to.quantiser.code;
    Ok(Value::Codes(Codes { view, code }))
}

fn quantise_real(
    context: &mut Context,
    name: &str,
    real: &Real,
    target: &Target,
) -> Result<View<CodePart>, String> {
    let to = &target.quantiser;
    let parts = real.view.parts.len();
    context.builder.count_evaluations(256 * parts)?;
    if real
        .view
        .parts
        .iter()
        .any(|part| matches!(part, RealPart::Input(_)))
    {
        quantise_input(context, real, to)?;
    }
    let tabulate = |part: &RealPart| match part {
        RealPart::Constant(x) => Tabulated::Code(to.quantise(*x)),
        RealPart::Map(map) => Tabulated::Map(map.map, map.table(target)),
        RealPart::Input(_) => Tabulated::Map(context.input_map, Table::identity()),
    };
    let tables = real.view.parts.iter().map(tabulate).collect();
    let view = real.view.with_parts(tables);
    tabulated(&mut context.builder, name, &view)
}

/// Has the host quantise the model's input.
fn quantise_input(context: &mut Context, real: &Real, to: &Quantiser) -> Result<(), String> {
    let mut lists = Vec::new();
    let mut list_of_part = Vec::new();
    for part in real.view.parts.iter() {
        let RealPart::Input(list) = part else {
            return Err(
                "it quantises the model's input joined with other tensors; quantise it before"
                    .into(),
            );
        };
        let known = lists.iter().position(|known| known == list);
        list_of_part.push(known.unwrap_or(lists.len()) as u16);
        if known.is_none() {
            lists.push(list.clone());
        }
    }
    let mut preparation = Preparation::default();
    if lists.iter().any(|list| !list.is_empty()) {
        let elements = context.builder.shape(context.input_map).elements();
        let mut list_of = vec![None; elements];
        for place in real.view.places() {
            let list = list_of_part[place.part as usize];
            if *list_of[place.element as usize].get_or_insert(list) != list {
                return Err("it quantises an element of the model's input in two ways".to_string());
            }
        }
        preparation.list_of = list_of.into_iter().map(|list| list.unwrap_or(0)).collect();
        preparation.lists = lists;
    }
    let kind = InputKind::Real(*to);
    match context.input {
        None => {
            context.input = Some(kind);
            context.preparation = preparation;
            Ok(())
        }
        Some(first) if first == kind && context.preparation == preparation => Ok(()),
        Some(_) => Err("it quantises the model's input a second time and otherwise than the first; quantise it once".to_string()),
    }
}

/// Applies the tables of a view's parts: to a whole map where it has only one table,
/// else per channel.
pub fn tabulated(
    builder: &mut Builder,
    name: &str,
    view: &View<Tabulated>,
) -> Result<View<CodePart>, String> {
    Ok(apart(builder, name, view)?.joined())
}

fn apart(
    builder: &mut Builder,
    name: &str,
    view: &View<Tabulated>,
) -> Result<View<CodePart>, String> {
    if let Some(view) = one_table_per_map(builder, name, view) {
        return Ok(view);
    }
    builder.count_places(3 * view.len())?;
    let maps: HashSet<MapId> = view.parts.iter().filter_map(Tabulated::map).collect();
    for &map in &maps {
        builder.count_evaluations(256 * builder.shape(map).channels)?;
    }
    if let Some(view) = one_table_per_channel(builder, name, view) {
        return Ok(view);
    }
    // Laid out anew, so that what has one table is a channel.
    let (first, rest) = view.dims.split_first().unwrap_or((&1, &[]));
    let pixels = rest.iter().product();
    let last = view.dims.last().copied().unwrap_or(1);
    let orders = [
        (Order::channels_first(*first, pixels), *first),
        (Order::Rows, last),
    ];
    let plain = view.with_parts(view.parts.iter().map(Tabulated::code_part).collect());
    for (order, channels) in orders {
        let by_channel = |index: usize| order.element(index) % channels;
        if !consistent(view, channels, by_channel) {
            continue;
        }
        let shape = crate::network::Shape {
            height: 1,
            width: view.len() / channels,
            channels,
        };
        builder.count_evaluations(256 * channels)?;
        let map = builder.arranged(name, &plain, &order, shape)?;
        let parts: Vec<Tabulated> = view.parts.iter().map(|part| part.on(map)).collect();
        let places = view.places().enumerate().map(|(index, place)| Place {
            element: order.element(index) as u32,
            ..place
        });
        let moved = View {
            dims: view.dims.clone(),
            order: Order::Explicit(places.collect()),
            parts: parts.into(),
        };
        if let Some(view) = one_table_per_channel(builder, name, &moved) {
            return Ok(view);
        }
    }
    // A map of its own for each table.
    let mut classes: Vec<(MapId, &Table)> = Vec::new();
    for class in view
        .parts
        .iter()
        .filter_map(|part| part.map().zip(part.table()))
    {
        if classes.len() <= MAX_TABLES && !classes.contains(&class) {
            classes.push(class);
        }
    }
    if classes.len() > MAX_TABLES {
        return Err(PER_ELEMENT.to_string());
    }
    let made: HashMap<(MapId, &Table), MapId> = classes
        .into_iter()
        .map(|(map, table)| ((map, table), builder.tabulated(name, map, table)))
        .collect();
    let part = |part: &Tabulated| match part {
        Tabulated::Code(code) => CodePart::Code(*code),
        Tabulated::Map(map, table) => CodePart::Map(made[&(*map, table)]),
    };
    let parts = view.parts.iter().map(part).collect();
    Ok(view.with_parts(parts))
}

/// Tables of one map, each applied to all of it.
const MAX_TABLES: usize = 16;

const PER_ELEMENT: &str =
    "its input is computed with different constants for elements of one channel; quantise between the operators";

fn one_table_per_map(
    builder: &mut Builder,
    name: &str,
    view: &View<Tabulated>,
) -> Option<View<CodePart>> {
    let mut tables: HashMap<MapId, &Table> = HashMap::new();
    for part in view.parts.iter() {
        if let Tabulated::Map(map, table) = part {
            if *tables.entry(*map).or_insert(table) != table {
                return None;
            }
        }
    }
    let mut made = HashMap::new();
    let mut part = |part: &Tabulated| match part {
        Tabulated::Code(code) => CodePart::Code(*code),
        Tabulated::Map(map, table) => CodePart::Map(
            *made
                .entry(*map)
                .or_insert_with(|| builder.tabulated(name, *map, table)),
        ),
    };
    let parts = view.parts.iter().map(&mut part).collect();
    Some(view.with_parts(parts))
}

/// Whether elements of one channel have parts of one table.
fn consistent(view: &View<Tabulated>, channels: usize, channel: impl Fn(usize) -> usize) -> bool {
    let classes = table_classes(view);
    let mut of_channel = vec![None; channels];
    view.places().enumerate().all(|(index, place)| {
        let class = classes[place.part as usize];
        *of_channel[channel(index)].get_or_insert(class) == class
    })
}

/// A number for each part that parts of the same table share.
fn table_classes(view: &View<Tabulated>) -> Vec<usize> {
    let mut numbers: HashMap<Option<&Table>, usize> = HashMap::new();
    let class = |part| {
        let next = numbers.len();
        *numbers.entry(Tabulated::table(part)).or_insert(next)
    };
    view.parts.iter().map(class).collect()
}

fn one_table_per_channel(
    builder: &mut Builder,
    name: &str,
    view: &View<Tabulated>,
) -> Option<View<CodePart>> {
    let maps: HashSet<MapId> = view.parts.iter().filter_map(Tabulated::map).collect();
    let mut tables: HashMap<MapId, Vec<Option<u16>>> = maps
        .into_iter()
        .map(|map| (map, vec![None; builder.shape(map).channels]))
        .collect();
    let classes = table_classes(view);
    for place in view.places() {
        if let Some(map) = view.parts[place.part as usize].map() {
            let of_map = tables.get_mut(&map)?;
            let channel = place.element as usize % of_map.len();
            let part = *of_map[channel].get_or_insert(place.part);
            if classes[part as usize] != classes[place.part as usize] {
                return None;
            }
        }
    }
    let mut made: HashMap<MapId, MapId> = HashMap::new();
    let mut part = |part: &Tabulated| match part {
        Tabulated::Code(code) => CodePart::Code(*code),
        Tabulated::Map(map, _) => CodePart::Map(*made.entry(*map).or_insert_with(|| {
            let table = |part: &Option<u16>| {
                let table = part.and_then(|part| view.parts[part as usize].table());
                table.cloned().unwrap_or_else(Table::identity)
            };
            let kind = Kind::ChannelTables {
                input: *map,
                tables: tables[map].iter().map(table).collect(),
            };
            builder.operation(name, kind, builder.shape(*map), Finish::default())
        })),
    };
    let parts = view.parts.iter().map(&mut part).collect();
    Some(view.with_parts(parts))
}

impl Tabulated {
    fn map(&self) -> Option<MapId> {
        match self {
            Tabulated::Map(map, _) => Some(*map),
            Tabulated::Code(_) => None,
        }
    }

    fn table(&self) -> Option<&Table> {
        match self {
            Tabulated::Map(_, table) => Some(table),
            Tabulated::Code(_) => None,
        }
    }

    fn code_part(&self) -> CodePart {
        match self {
            Tabulated::Map(map, _) => CodePart::Map(*map),
            Tabulated::Code(code) => CodePart::Code(*code),
        }
    }

    fn on(&self, map: MapId) -> Tabulated {
        match self {
            Tabulated::Map(_, table) => Tabulated::Map(map, table.clone()),
            Tabulated::Code(_) => Tabulated::Map(map, Table::identity()),
        }
    }
}

pub fn dequantise(context: &mut Context, node: &Node) -> Result<Value, String> {
    let scale = context
        .constant(node, 1)?
        .ok_or("input 1, the scale, is missing")?;
    let zero_point = context.constant(node, 2)?;
    match context.required(node, 0)? {
        Value::Constant(tensor) => {
            check_attributes(node)?;
            let axis = node.int("axis", 1)?;
            let scaled = scaled(tensor.clone(), &scale, zero_point.as_deref(), axis)?;
            Ok(Value::Scaled(Rc::new(scaled)))
        }
        Value::Codes(codes) => {
            let code = codes.code;
            let name = node.input(0).unwrap_or_default();
            let runtime = context.runtime.code(name, code);
            let mut quantiser = per_tensor(node, &scale, zero_point.as_deref())?;
            if zero_point.is_none() {
                quantiser.code = code;
                quantiser.zero_point = code.offset() as u8;
            }
            if quantiser.code != code {
                return Err(format!(
                    "its input is {} and its zero point {}",
                    code.name(),
                    quantiser.code.name()
                ));
            }
            let view = codes.view.clone();
            context.builder.count_evaluations(256 * view.parts.len())?;
            Ok(Value::Real(Real::of_codes(&view, quantiser, Some(runtime))))
        }
        _ => Err("its input is not quantised".to_string()),
    }
}

impl Real {
    pub fn of_codes(view: &View<CodePart>, quantiser: Quantiser, code: Option<CodeType>) -> Real {
        let part = |part: &CodePart| match part {
            CodePart::Map(map) => RealPart::Map(RealMap::new(*map, quantiser)),
            CodePart::Code(code) => RealPart::Constant(quantiser.dequantise(*code)),
        };
        Real {
            view: view.with_parts(view.parts.iter().map(part).collect()),
            code,
        }
    }
}

/// Quantises a constant, as the runtime does before the first run (weights of
/// quantisation-aware training). `None` where it can't.
pub fn constant(node: &Node, inputs: &[Option<Rc<Tensor>>]) -> Option<Tensor> {
    let input = |index: usize| inputs.get(index).and_then(|tensor| tensor.clone());
    let (tensor, scale, zero_point) = (input(0)?, input(1)?, input(2)?);
    let Data::F32(values) = &tensor.data else {
        return None;
    };
    let code = match &zero_point.data {
        Data::I8(_) => CodeType::I8,
        Data::U8(_) => CodeType::U8,
        _ => return None,
    };
    check_attributes(node).ok()?;
    let axis = node.int("axis", 1).ok()?;
    let (scales, axis) = channel_scales(&tensor.shape, &scale, axis).ok()?;
    let zero_points = channel_zero_points(&zero_point.data, &zero_point, scales.len()).ok()?;
    let stride = match axis {
        None => 1,
        Some(axis) => tensor.shape[axis + 1..].iter().product(),
    };
    let stored = values.iter().enumerate().map(|(index, &x)| {
        let channel = index / stride.max(1) % scales.len();
        let quantiser = Quantiser {
            scale: scales[channel],
            zero_point: (zero_points[channel] + code.offset()) as u8,
            code,
        };
        quantiser.quantise(x)
    });
    let data = match code {
        CodeType::I8 => Data::I8(stored.map(|u| (u as i32 - 128) as i8).collect()),
        CodeType::U8 => Data::U8(stored.collect()),
    };
    Some(Tensor {
        shape: tensor.shape.clone(),
        data,
    })
}

/// Scale and zero point of an activation.
pub fn per_tensor(
    node: &Node,
    scale: &Tensor,
    zero_point: Option<&Tensor>,
) -> Result<Quantiser, String> {
    check_attributes(node)?;
    let scale = float_scalar(scale).map_err(|reason| {
        format!("the scale {reason}; activations have one scale for the whole tensor")
    })?;
    check_scale(scale)?;
    let (code, zero_point) = match zero_point.map(|tensor| &tensor.data) {
        None => (default_code(node)?, 0),
        Some(Data::I8(values)) if values.len() == 1 => (CodeType::I8, values[0] as i32),
        Some(Data::U8(values)) if values.len() == 1 => (CodeType::U8, values[0] as i32),
        Some(data) => {
            return Err(format!(
                "the zero point must be one int8 or uint8, and is {}; activations are 8 bits wide",
                data.type_name()
            ))
        }
    };
    Ok(Quantiser {
        scale,
        zero_point: (zero_point + code.offset()) as u8,
        code,
    })
}

/// The output type of QuantizeLinear without a zero point.
fn default_code(node: &Node) -> Result<CodeType, String> {
    match node.operator.as_str() {
        "QuantizeLinear" => match node.int("output_dtype", 0)? as i32 {
            0 | data_type::UINT8 => Ok(CodeType::U8),
            data_type::INT8 => Ok(CodeType::I8),
            other => Err(format!(
                "it quantises to {}; int8 and uint8 are supported",
                data_type::name(other)
            )),
        },
        _ => Ok(CodeType::U8),
    }
}

/// A constant of integers with scales on an axis, or one for all.
pub fn scaled(
    tensor: Rc<Tensor>,
    scale: &Tensor,
    zero_point: Option<&Tensor>,
    axis: i64,
) -> Result<Scaled, String> {
    let (scales, axis) = channel_scales(&tensor.shape, scale, axis)?;
    let zero_points = match zero_point {
        None => vec![0; scales.len()],
        Some(zero_point) => channel_zero_points(&tensor.data, zero_point, scales.len())?,
    };
    Ok(Scaled {
        tensor,
        scales,
        zero_points,
        axis,
        converted: true,
    })
}

/// The scales of a constant, and the axis they belong to when there are several.
fn channel_scales(
    shape: &[usize],
    scale: &Tensor,
    axis: i64,
) -> Result<(Vec<f32>, Option<usize>), String> {
    let Data::F32(scales) = &scale.data else {
        return Err(format!(
            "the scale is {}, not float32",
            scale.data.type_name()
        ));
    };
    scales.iter().try_for_each(|&scale| check_scale(scale))?;
    let axis = match (scale.shape.as_slice(), scales.len()) {
        ([], 1) | ([1], 1) => None,
        ([_], n) if n > 0 => {
            let axis = normalise_axis(axis, shape.len())?;
            if shape[axis] != n {
                return Err(format!(
                    "it has {n} scales for {} channels on axis {axis}",
                    shape[axis]
                ));
            }
            Some(axis)
        }
        (shape, _) => return Err(format!("its scale has shape {shape:?}")),
    };
    Ok((scales.clone(), axis))
}

/// The zero points of a constant, of its own type and as many as scales.
fn channel_zero_points(
    data: &Data,
    zero_point: &Tensor,
    scales: usize,
) -> Result<Vec<i32>, String> {
    let values: Vec<i32> = match (&zero_point.data, data) {
        (Data::I8(values), Data::I8(_)) => values.iter().map(|&z| z as i32).collect(),
        (Data::U8(values), Data::U8(_)) => values.iter().map(|&z| z as i32).collect(),
        (Data::I32(values), Data::I32(_)) => values.clone(),
        (zero, data) => {
            return Err(format!(
                "its constant is {} and its zero point {}",
                data.type_name(),
                zero.type_name()
            ))
        }
    };
    match values.len() == scales {
        true => Ok(values),
        false => Err(format!(
            "it has {scales} scales and {} zero points",
            values.len()
        )),
    }
}

fn check_attributes(node: &Node) -> Result<(), String> {
    match node.int("block_size", 0)? {
        0 => Ok(()),
        _ => {
            Err("blocked quantisation is not supported; quantise per tensor or per channel".into())
        }
    }
}

fn check_scale(scale: f32) -> Result<(), String> {
    match scale.is_finite() && scale > 0.0 {
        true => Ok(()),
        false => Err(format!(
            "the scale is {scale}; it must be positive and finite"
        )),
    }
}
