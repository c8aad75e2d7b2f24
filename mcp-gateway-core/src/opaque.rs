//! Named response futures.

/// Defines the named response future of a layer that awaits a plug-in: a box around any future.
macro_rules! opaque_future {
    ($(#[$doc:meta])* $name:ident $(<$T:ident>)? -> $output:ty) => {
        $(#[$doc])*
        #[must_use = "futures do nothing unless polled"]
        pub struct $name$(<$T>)?(crate::BoxFuture<'static, $output>);

        impl$(<$T>)? std::future::Future for $name$(<$T>)? {
            type Output = $output;

            fn poll(
                mut self: std::pin::Pin<&mut Self>,
                cx: &mut std::task::Context<'_>,
            ) -> std::task::Poll<Self::Output> {
                self.0.as_mut().poll(cx)
            }
        }

        impl$(<$T>)? std::fmt::Debug for $name$(<$T>)? {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.debug_struct(stringify!($name)).finish_non_exhaustive()
            }
        }
    };
}
