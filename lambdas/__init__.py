"""The Lambda functions: event in, one service call, result out; one module per function."""
