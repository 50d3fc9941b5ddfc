//! The compiler against plain integers and against ONNX Runtime's answers.

mod corpus;
