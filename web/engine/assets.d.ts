/** The address of a file that is shipped beside the page, as Vite gives it. */
declare module "*?url&no-inline" {
  const address: string;
  export default address;
}
