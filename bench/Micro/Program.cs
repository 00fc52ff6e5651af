using BenchmarkDotNet.Running;
using Mesh.Bench;

// `quick [filter]` measures every benchmark by a plain loop in a few seconds; anything else goes to BenchmarkDotNet (`--filter '*'`).
if (args is ["quick", ..]) return Quick.Run(typeof(Quick).Assembly, args.Length > 1 ? args[1] : "", Console.Out);

BenchmarkSwitcher.FromAssembly(typeof(Quick).Assembly).Run(args);
return 0;
