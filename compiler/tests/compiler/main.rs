//! The compiler against plain integers and against ONNX Runtime's answers.

mod corpus;
mod document;
mod folding;
mod functions;
mod hostile;
mod model;
mod networks;
mod numbers;
mod pairs;
mod refusals;
