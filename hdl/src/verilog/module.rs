//! Writes one module.

use super::expression::{Expr, Id, Problem, Scope};
use super::name::identifiers;
use super::netlist::Instance;
use super::process::{forward, split, Process};
use super::statement::{lower, Arm, Role, Statement, Table};
use rust_hdl::prelude::{AtomKind, Verilog};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt::Write as _;

/// Stands for the module's own name until all modules are known.
pub const OWN_NAME: &str = "\u{1}";

/// The module's text. `modules` names the module of each child.
pub fn write(instance: &Instance, modules: &[String]) -> Result<String, Problem> {
    match &instance.code {
        Verilog::Combinatorial(code) => {
            let table = Table::of(instance)?;
            let statements = forward(lower(code, &table)?, &table);
            let processes = split(statements, &table)?;
            Kernel::new(instance, &table, processes).write(modules)
        }
        Verilog::Custom(code) => write_leaf(instance, modules, code, "reg"),
        Verilog::Wrapper(wrapper) => write_leaf(instance, &[], &wrapper.code, "wire"),
        Verilog::Empty => write_leaf(instance, modules, "", "wire"),
        Verilog::Blackbox(_) => Ok(String::new()),
    }
}

/// A module whose text a unit brings itself.
fn write_leaf(
    instance: &Instance,
    modules: &[String],
    code: &str,
    outputs: &str,
) -> Result<String, Problem> {
    let table = Table::of(instance)?;
    let code = identifiers(code);
    let mut text = header(&table, &|_| outputs == "reg");
    let mut declarations = String::new();
    for entry in &table.entries {
        let kind = match &entry.role {
            Role::Constant(value) => {
                let signed = if entry.signed { "signed " } else { "" };
                let _ = writeln!(
                    declarations,
                    "    localparam {signed}{}{} = {}'h{value};",
                    range(entry.bits),
                    entry.name,
                    entry.bits
                );
                continue;
            }
            Role::Local | Role::ChildInput(_) => "reg",
            Role::ChildOutput(_) => "wire",
            Role::Input | Role::Output => continue,
        };
        if !modules.is_empty() || entry.role == Role::Local {
            declare(
                &mut declarations,
                kind,
                entry.bits,
                entry.signed,
                &entry.name,
            );
        }
    }
    paragraph(&mut text, &declarations);
    paragraph(&mut text, &indented(&code));
    if !modules.is_empty() {
        let mut instances = String::new();
        for (place, child) in instance.children.iter().enumerate() {
            let connections = child.ports().map(|port| {
                let name = super::name::identifier(&port.name);
                let wire = super::name::identifier(&format!("{}${}", child.name, port.name));
                (name, wire)
            });
            instantiate(
                &mut instances,
                &modules[place],
                &child.name,
                connections.collect(),
            );
        }
        paragraph(&mut text, &instances);
    }
    text.push_str("endmodule\n");
    Ok(text)
}

/// A module written from a kernel.
struct Kernel<'a> {
    instance: &'a Instance,
    table: &'a Table,
    processes: Vec<Process>,
    /// Signals that some expression reads.
    read: HashSet<Id>,
    /// For inputs of sub-blocks that are plain values: what to connect.
    connected: HashMap<Id, String>,
    flip_flops: Vec<FlipFlop>,
}

struct FlipFlop {
    child: usize,
    d: Id,
    q: Id,
    /// Text of the clock.
    clock: String,
    initial: String,
}

impl<'a> Kernel<'a> {
    fn new(instance: &'a Instance, table: &'a Table, processes: Vec<Process>) -> Kernel<'a> {
        let mut read = HashSet::new();
        for process in &processes {
            for statement in &process.statements {
                statement.each_expression(&mut |expr| {
                    expr.each_signal(&mut |id| {
                        read.insert(id);
                    })
                });
            }
        }
        Kernel {
            instance,
            table,
            processes,
            read,
            connected: HashMap::new(),
            flip_flops: Vec::new(),
        }
    }

    fn write(mut self, modules: &[String]) -> Result<String, Problem> {
        self.connect()?;
        self.find_flip_flops();
        let mut clocked: BTreeMap<String, String> = BTreeMap::new();
        let mut wires = String::new();
        let mut logic = String::new();
        let mut variables: HashSet<Id> = HashSet::new();
        let processes = std::mem::take(&mut self.processes);
        let mut fed: HashSet<Id> = HashSet::new();
        for process in &processes {
            if let Some((target, value)) = process.as_wire() {
                if self.connected.contains_key(&target) {
                    continue;
                }
                if self.register_of(target).is_none() || self.read.contains(&target) {
                    let value = value.write_as(self.table.bits(target), self.table)?;
                    let _ = writeln!(
                        wires,
                        "    assign {} = {};",
                        self.table.name(target),
                        value.code
                    );
                    continue;
                }
            }
            if let Some(clock) = self.clock_of(process) {
                let statements = without_holding(&process.statements, &self);
                let place = clocked.entry(clock).or_default();
                Writer {
                    kernel: &self,
                    clocked: true,
                }
                .block(&statements, 2, place)?;
                fed.extend(&process.targets);
                continue;
            }
            variables.extend(&process.targets);
            logic.push_str("    always @(*) begin\n");
            Writer {
                kernel: &self,
                clocked: false,
            }
            .block(&process.statements, 2, &mut logic)?;
            logic.push_str("    end\n\n");
        }
        for register in &self.flip_flops {
            if !fed.contains(&register.d) {
                let next = match self.connected.get(&register.d) {
                    Some(text) => text.as_str(),
                    None => self.table.name(register.d),
                };
                let place = clocked.entry(register.clock.clone()).or_default();
                let _ = writeln!(place, "        {} <= {next};", self.table.name(register.q));
            }
        }

        let mut text = header(self.table, &|id| variables.contains(&id));
        paragraph(&mut text, &self.constants(&processes)?);
        paragraph(&mut text, &self.declarations(&variables, &fed));
        paragraph(&mut text, &wires);
        paragraph(&mut text, &logic);
        for (clock, body) in &clocked {
            if !body.is_empty() {
                let process = format!("    always @(posedge {clock}) begin\n{body}    end\n");
                paragraph(&mut text, &process);
            }
        }
        paragraph(&mut text, &self.instances(modules));
        paragraph(&mut text, &self.start());
        text.push_str("endmodule\n");
        Ok(text)
    }

    /// Finds inputs of sub-blocks that can be connected to a value directly.
    fn connect(&mut self) -> Result<(), Problem> {
        for process in &self.processes {
            let Some((target, value)) = process.as_wire() else {
                continue;
            };
            let is_input = matches!(self.table.entries[target].role, Role::ChildInput(_));
            if is_input && !self.read.contains(&target) {
                let text = value.write_as(self.table.bits(target), self.table)?;
                if text.is_primary() {
                    self.connected.insert(target, text.code);
                }
            }
        }
        Ok(())
    }

    /// Flip-flops whose clock is plain are written as registers of this module.
    fn find_flip_flops(&mut self) {
        for (place, child) in self.instance.children.iter().enumerate() {
            let port = |name: &str| self.table.id(&format!("{}${name}", child.name));
            let (Some(d), Some(q), Some(clock)) = (port("d"), port("q"), port("clock")) else {
                continue;
            };
            let (true, Some(clock), Some(initial)) = (
                child.flip_flop,
                self.connected.get(&clock),
                initial_value(&child.code),
            ) else {
                continue;
            };
            self.flip_flops.push(FlipFlop {
                child: place,
                d,
                q,
                clock: clock.clone(),
                initial: format!("{}'h{initial}", self.table.bits(q)),
            });
        }
    }

    fn register_of(&self, d: Id) -> Option<&FlipFlop> {
        self.flip_flops.iter().find(|register| register.d == d)
    }

    /// The clock of a process that does nothing but feed registers.
    fn clock_of(&self, process: &Process) -> Option<String> {
        let mut clock = None;
        for &target in &process.targets {
            let register = self.register_of(target)?;
            if self.read.contains(&target) || clock.is_some_and(|clock| clock != &register.clock) {
                return None;
            }
            clock = Some(&register.clock);
        }
        clock.cloned()
    }

    /// The constants and enumeration variants that are used.
    fn constants(&self, processes: &[Process]) -> Result<String, Problem> {
        let mut text = String::new();
        for (id, entry) in self.table.entries.iter().enumerate() {
            if let Role::Constant(value) = &entry.role {
                if self.read.contains(&id) {
                    let signed = if entry.signed { "signed " } else { "" };
                    let _ = writeln!(
                        text,
                        "    localparam {signed}{}{} = {}'h{value};",
                        range(entry.bits),
                        entry.name,
                        entry.bits
                    );
                }
            }
        }
        let mut used: Vec<(usize, String, usize)> = Vec::new();
        for statement in processes.iter().flat_map(|p| &p.statements) {
            statement.each_expression(&mut |expr| {
                expr.each_variant(&mut |name| {
                    if let Some((value, bits)) = self.table.variant(name) {
                        if !used.iter().any(|(_, known, _)| known == name) {
                            used.push((value, name.to_owned(), bits));
                        }
                    }
                })
            });
        }
        used.sort_by(|a, b| (prefix(&a.1), a.0).cmp(&(prefix(&b.1), b.0)));
        for (value, name, bits) in used {
            let value = super::expression::literal(value as u128, bits)?.code;
            let _ = writeln!(text, "    localparam {}{name} = {value};", range(bits));
        }
        Ok(text)
    }

    fn declarations(&self, variables: &HashSet<Id>, fed: &HashSet<Id>) -> String {
        let mut text = String::new();
        for (id, entry) in self.table.entries.iter().enumerate() {
            let register = self.flip_flops.iter().find(|r| r.q == id);
            let inside_register = |place: usize| self.flip_flops.iter().any(|r| r.child == place);
            let driven = variables.contains(&id);
            let kind = match &entry.role {
                Role::Input | Role::Output | Role::Constant(_) => continue,
                Role::Local if driven => "reg",
                Role::Local if self.read.contains(&id) || self.has_process(id) => "wire",
                Role::Local => continue,
                Role::ChildOutput(_) => match register {
                    Some(_) => "reg",
                    None if self.read.contains(&id) => "wire",
                    None => continue,
                },
                Role::ChildInput(_) if self.connected.contains_key(&id) => continue,
                Role::ChildInput(_) if fed.contains(&id) => continue,
                Role::ChildInput(place) if inside_register(*place) && !driven => {
                    match self.has_process(id) {
                        true => "wire",
                        false => continue,
                    }
                }
                Role::ChildInput(_) if driven => "reg",
                Role::ChildInput(_) => "wire",
            };
            declare(&mut text, kind, entry.bits, entry.signed, &entry.name);
        }
        text
    }

    /// The registers' start values. They stand behind the processes: an event-driven
    /// simulator starts the blocks of a module in order, and a process that isn't
    /// waiting yet when its inputs get their values would leave its outputs unknown.
    fn start(&self) -> String {
        let values: String = self
            .flip_flops
            .iter()
            .map(|register| {
                let name = self.table.name(register.q);
                format!("        {name} = {};\n", register.initial)
            })
            .collect();
        match values.is_empty() {
            true => values,
            false => format!("    initial begin\n{values}    end\n"),
        }
    }

    fn has_process(&self, id: Id) -> bool {
        self.processes.iter().any(|p| p.targets.contains(&id))
    }

    fn instances(&self, modules: &[String]) -> String {
        let mut text = String::new();
        for (place, child) in self.instance.children.iter().enumerate() {
            if self.flip_flops.iter().any(|r| r.child == place) {
                continue;
            }
            let mut connections = Vec::new();
            for port in child.ports() {
                let Some(id) = self.table.id(&format!("{}${}", child.name, port.name)) else {
                    continue;
                };
                let wire = match (port.kind, self.connected.get(&id)) {
                    (AtomKind::InputParameter, Some(value)) => value.clone(),
                    (AtomKind::OutputParameter, _) if !self.read.contains(&id) => String::new(),
                    _ => self.table.name(id).to_owned(),
                };
                connections.push((super::name::identifier(&port.name), wire));
            }
            instantiate(&mut text, &modules[place], &child.name, connections);
        }
        text
    }
}

/// A register that is first told to keep its value need not be told.
fn without_holding(statements: &[Statement], kernel: &Kernel) -> Vec<Statement> {
    let mut told: HashSet<Id> = HashSet::new();
    let mut kept = Vec::new();
    for statement in statements {
        let holds = match statement {
            Statement::Assign {
                target,
                part: None,
                value: Expr::Signal(value),
            } => {
                !told.contains(target)
                    && kernel
                        .register_of(*target)
                        .is_some_and(|register| register.q == *value)
            }
            _ => false,
        };
        if !holds {
            kept.push(statement.clone());
        }
        statement.each_write(&mut |id| {
            told.insert(id);
        });
    }
    kept
}

/// Writes statements, blocking or (for registers) non-blocking.
struct Writer<'a> {
    kernel: &'a Kernel<'a>,
    clocked: bool,
}

impl Writer<'_> {
    fn block(&self, code: &[Statement], depth: usize, out: &mut String) -> Result<(), Problem> {
        code.iter().try_for_each(|s| self.statement(s, depth, out))
    }

    fn statement(&self, code: &Statement, depth: usize, out: &mut String) -> Result<(), Problem> {
        let indent = "    ".repeat(depth);
        match code {
            Statement::Assign { .. } => {
                let _ = writeln!(out, "{indent}{}", self.assignment(code)?);
            }
            Statement::If { .. } => {
                out.push_str(&indent);
                self.conditional(code, depth, out)?;
            }
            Statement::Match { test, arms } => self.choice(test, arms, depth, out)?,
            Statement::Comment(text) => {
                let _ = writeln!(out, "{indent}// {text}");
            }
        }
        Ok(())
    }

    fn assignment(&self, code: &Statement) -> Result<String, Problem> {
        let Statement::Assign {
            target,
            part,
            value,
        } = code
        else {
            return Ok(String::new());
        };
        let table = self.kernel.table;
        let (target, operator) = match self.kernel.register_of(*target) {
            Some(register) if self.clocked => (register.q, "<="),
            _ => (*target, "="),
        };
        let (place, bits) = match part {
            None => (table.name(target).to_owned(), table.bits(target)),
            Some((offset, bits)) => (
                Expr::Slice(target, Box::new(offset.clone()), *bits)
                    .write(table)?
                    .code,
                *bits,
            ),
        };
        Ok(format!(
            "{place} {operator} {};",
            value.write_as(bits, table)?.code
        ))
    }

    /// Begins in the middle of a line: after its indent, or after `else `.
    fn conditional(&self, code: &Statement, depth: usize, out: &mut String) -> Result<(), Problem> {
        let Statement::If {
            test,
            then,
            otherwise,
        } = code
        else {
            return Ok(());
        };
        let indent = "    ".repeat(depth);
        let test = test.write_as(1, self.kernel.table)?.code;
        if let ([only @ Statement::Assign { .. }], []) = (then.as_slice(), otherwise.as_slice()) {
            let line = format!("if ({test}) {}", self.assignment(only)?);
            if indent.len() + line.len() <= LINE {
                let _ = writeln!(out, "{line}");
                return Ok(());
            }
        }
        let _ = writeln!(out, "if ({test}) begin");
        self.block(then, depth + 1, out)?;
        let _ = write!(out, "{indent}end");
        match otherwise.as_slice() {
            [] => out.push('\n'),
            [chained @ Statement::If { .. }] => {
                out.push_str(" else ");
                self.conditional(chained, depth, out)?;
            }
            _ => {
                out.push_str(" else begin\n");
                self.block(otherwise, depth + 1, out)?;
                let _ = writeln!(out, "{indent}end");
            }
        }
        Ok(())
    }

    fn choice(
        &self,
        test: &Expr,
        arms: &[Arm],
        depth: usize,
        out: &mut String,
    ) -> Result<(), Problem> {
        let table = self.kernel.table;
        let indent = "    ".repeat(depth);
        let bits = test.kind(table).bits;
        let _ = writeln!(out, "{indent}case ({})", test.write(table)?.code);
        let open = arms.iter().all(|arm| arm.pattern.is_some());
        for (place, arm) in arms.iter().enumerate() {
            // Rust's match covers every variant; Verilog's covers every bit pattern
            // only with a default, and the last arm is it.
            let (label, note) = match &arm.pattern {
                None => ("default".to_owned(), String::new()),
                Some(pattern) => {
                    let label = pattern.write_as(bits, table)?.code;
                    match open && place == arms.len() - 1 {
                        true => ("default".to_owned(), format!(" // {label}")),
                        false => (label, String::new()),
                    }
                }
            };
            match arm.body.as_slice() {
                [] => {
                    let _ = writeln!(out, "{indent}    {label}: ;{note}");
                }
                [only @ Statement::Assign { .. }] => {
                    let assignment = self.assignment(only)?;
                    let _ = writeln!(out, "{indent}    {label}: {assignment}{note}");
                }
                body => {
                    let _ = writeln!(out, "{indent}    {label}: begin{note}");
                    self.block(body, depth + 2, out)?;
                    let _ = writeln!(out, "{indent}    end");
                }
            }
        }
        let _ = writeln!(out, "{indent}endcase");
        Ok(())
    }
}

/// The widest line that is not broken.
const LINE: usize = 100;

/// `module name (ports);`
fn header(table: &Table, is_variable: &dyn Fn(Id) -> bool) -> String {
    let ports: Vec<(&str, String, &str)> = table
        .entries
        .iter()
        .enumerate()
        .filter_map(|(id, entry)| {
            let kind = match entry.role {
                Role::Input => "input  wire",
                Role::Output if is_variable(id) => "output reg ",
                Role::Output => "output wire",
                _ => return None,
            };
            let signed = if entry.signed { "signed " } else { "" };
            Some((
                kind,
                format!("{signed}{}", range(entry.bits)),
                entry.name.as_str(),
            ))
        })
        .collect();
    let widest = ports.iter().map(|(_, range, _)| range.len()).max();
    let lines: Vec<String> = ports
        .iter()
        .map(|(kind, range, name)| format!("    {kind} {range:0$}{name}", widest.unwrap_or(0)))
        .collect();
    match lines.is_empty() {
        true => format!("module {OWN_NAME};\n"),
        false => format!("module {OWN_NAME} (\n{}\n);\n", lines.join(",\n")),
    }
}

/// Adds a part of a module, set off by a blank line.
fn paragraph(text: &mut String, part: &str) {
    let part = part.trim_end_matches('\n');
    if part.is_empty() {
        return;
    }
    if !text.ends_with(");\n") && !text.ends_with(&format!("{OWN_NAME};\n")) {
        text.push('\n');
    }
    text.push_str(part);
    text.push('\n');
}

fn declare(text: &mut String, kind: &str, bits: usize, signed: bool, name: &str) {
    let signed = if signed { "signed " } else { "" };
    let _ = writeln!(text, "    {kind} {signed}{}{name};", range(bits));
}

fn instantiate(text: &mut String, module: &str, field: &str, ports: Vec<(String, String)>) {
    let name = super::name::identifier(field);
    let connections: Vec<String> = ports
        .iter()
        .map(|(port, wire)| format!("        .{port}({wire})"))
        .collect();
    let _ = writeln!(
        text,
        "    {module} {name} (\n{}\n    );",
        connections.join(",\n")
    );
}

/// `[7:0] `, or nothing for a single bit.
fn range(bits: usize) -> String {
    match bits {
        0 | 1 => String::new(),
        _ => format!("[{}:0] ", bits - 1),
    }
}

/// The enumeration a variant belongs to.
fn prefix(variant: &str) -> &str {
    variant.split('_').next().unwrap_or(variant)
}

/// RustHDL's flip-flop begins with `q = 8'h0;`.
fn initial_value(code: &Verilog) -> Option<String> {
    let Verilog::Custom(code) = code else {
        return None;
    };
    let value = code.split_once("q = ")?.1.split_once(';')?.0;
    Some(value.split_once("'h")?.1.to_owned())
}

/// Foreign text at the depth of a module's body, indented by four columns.
fn indented(code: &str) -> String {
    let columns = |line: &str| line.len() - line.trim_start().len();
    let lines = || code.trim_matches('\n').lines().map(str::trim_end);
    let step = lines().map(columns).filter(|&columns| columns > 0).min();
    let mut text = String::new();
    for line in lines() {
        match line.is_empty() {
            true => text.push('\n'),
            false => {
                let depth = columns(line) / step.unwrap_or(1);
                let _ = writeln!(text, "{}{}", "    ".repeat(depth + 1), line.trim_start());
            }
        }
    }
    text
}
