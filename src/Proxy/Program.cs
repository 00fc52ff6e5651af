using Mesh.Proxy.Redirect;

// The same binary is the init container's: the image has no shell to write the redirection with.
if (args is [Redirection.Verb, .. var words])
    return await Redirection.RunAsync(words, Environment.GetEnvironmentVariable, Console.Out, Console.Error, CancellationToken.None);

return 0;
