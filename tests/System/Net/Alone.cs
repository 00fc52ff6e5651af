namespace Mesh.SystemTests.Net;

/// <summary>For tests that change or measure the whole process: they run after the others, one by one.</summary>
[CollectionDefinition(nameof(Alone), DisableParallelization = true)]
public sealed class Alone;
