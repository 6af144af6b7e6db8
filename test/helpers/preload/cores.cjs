// Loaded before the program: it sees as many processors as CORES says.
require('node:os').availableParallelism = () => Number(process.env.CORES)
