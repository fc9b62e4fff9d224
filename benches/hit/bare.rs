//! An actix-web with one route and a handler that does nothing but answer, as its
//! documentation has it. The benchmark holds the service against it.
//!
//! `bare PORT BODY` answers `GET /balance` with the body on one worker and ends by
//! a signal.

use std::{env, error::Error, net::Ipv4Addr, time::Duration};

use actix_web::{App, HttpResponse, HttpServer, web};
use bytes::Bytes;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = env::args().skip(1);
    let (Some(port), Some(body)) = (arguments.next(), arguments.next()) else {
        return Err("usage: bare PORT BODY".into());
    };
    let port = port.parse::<u16>()?;
    let body = Bytes::from(body);
    let server = HttpServer::new(move || {
        let body = body.clone();
        let answer = move || {
            let body = body.clone();
            async move {
                HttpResponse::Ok()
                    .content_type("application/json")
                    .body(body)
            }
        };
        App::new().route("/balance", web::get().to(answer))
    })
    .workers(1)
    .keep_alive(Duration::from_secs(75))
    .bind((Ipv4Addr::LOCALHOST, port))?;
    Ok(actix_rt::System::new().block_on(server.run())?)
}
