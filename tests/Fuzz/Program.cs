using Mesh.Fuzz;

// Usage: Mesh.Fuzz [name|all|list] [--seed N] [--seconds N] [--executions N] [--replay FILE]
// Exit code 0: nothing found. 1: a finding, with its seed and its bytes. The fuzzer "canary" holds a planted fault and must be found.
return FuzzCommand.Run(args, Console.Out);
